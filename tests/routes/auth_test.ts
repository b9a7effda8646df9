import { assert, assertEquals, assertMatch, assertStrictEquals } from "../support/assert.ts";
import { narrow } from "../../lib/auth/capability.ts";
import { sha256Hex } from "../../lib/base/hash.ts";
import {
  APPROVE,
  basic,
  bearer,
  CLOSED,
  suite,
  type TestServer,
  TOKEN,
} from "../support/test_server.ts";
import { runScenarios, type Scenario } from "../support/scenario.ts";

const test = suite("/auth/mint creates capabilities and /auth/whoami describes callers", {
  env: CLOSED,
});

const T2 = bearer(TOKEN);
const T3 = bearer(APPROVE);
const NOW = () => Math.floor(Date.now() / 1000);

interface MintResponse {
  readonly token: string;
  readonly id: string;
  readonly name: string | null;
  readonly prefix: string;
  readonly mode: string;
  readonly ttl_sec: number;
  readonly exp: number;
}

async function mint(server: TestServer, query: string): Promise<MintResponse> {
  const sent = { method: "POST", target: `/auth/mint?${query}`, headers: T3 };
  const reply = await server.send(sent, true);
  assertEquals(reply.status, 200, reply.text);
  assertEquals(reply.headers.get("cache-control"), "no-store");
  assertEquals(reply.headers.get("content-type"), "application/json");
  const minted = JSON.parse(reply.text);
  server.secrets.add(minted.token);
  return minted;
}

test("POST /auth/mint creates a capability as described in the response", async (server) => {
  const before = NOW();
  const minted = await mint(server, "prefix=/home/scratch&ttl=600&mode=r");
  assertEquals(Object.keys(minted), ["token", "id", "prefix", "mode", "name", "ttl_sec", "exp"]);
  assertMatch(minted.id, /^\d{13}-[0-9a-f]{16}$/);
  assertEquals(minted.name, null);
  assertEquals(minted.prefix, "/home/scratch");
  assertEquals(minted.mode, "r");
  assertEquals(minted.ttl_sec, 600);
  assert(minted.exp >= before + 600 && minted.exp <= NOW() + 600);
  assertMatch(minted.token, /^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]{43}$/);
  const earliest = NOW();
  const who = await server.send({
    method: "GET",
    target: "/auth/whoami",
    headers: bearer(minted.token),
  });
  const latest = NOW();
  const { ttl_sec, ...rest } = JSON.parse(who.text);
  assertEquals(rest, {
    tier: "T2",
    by: "cap:/home/scratch",
    id: minted.id,
    names: [],
    prefix: "/home/scratch",
    prefixes: ["/home/scratch"],
    mode: "r",
    exp: minted.exp,
  });
  // What is left at the moment of the answer, however late that is.
  assert(ttl_sec >= minted.exp - latest - 1 && ttl_sec <= minted.exp - earliest, `${ttl_sec}`);
});

test("POST /auth/mint gives a capability a name and mode rwd", async (server) => {
  const minted = await mint(server, "prefix=/home/team&mode=rwd&name=kestrel");
  assertEquals([minted.mode, minted.name], ["rwd", "kestrel"]);
  const junior = narrow(minted.token, {
    prefix: "/home/team/a",
    mode: "rwd",
    exp: minted.exp,
    name: "junior",
  });
  const whoami = { method: "GET", target: "/auth/whoami", headers: bearer(junior) };
  const { by, id, names, prefix, mode } = JSON.parse((await server.send(whoami)).text);
  assertEquals({ by, id, names, prefix, mode }, {
    by: "cap:/home/team/a#kestrel/junior",
    id: minted.id,
    names: ["kestrel", "junior"],
    prefix: "/home/team/a",
    mode: "rwd",
  });
});

test("POST /auth/mint refuses a capability that the list of revoked ones covers", async (server) => {
  const put = (text: string) => server.approve("PUT", "/etc/revoked", text);
  const send = (query: string) => server.approve("POST", `/auth/mint?${query}`);
  await put("name:kestrel\nprefix:/home/team before:2999-01-01T00:00:00Z\n");
  for (const query of ["prefix=/home/x&name=kestrel", "prefix=/home/team/a"]) {
    const { status, text } = await send(query);
    assertEquals(status, 409, text);
    assertMatch(text, /\/etc\/revoked/);
  }
  await mint(server, "prefix=/home/x&name=other");
});

test("POST /auth/mint defaults to one hour and mode rw", async (server) => {
  const plain = await mint(server, "prefix=/home/a");
  assertEquals([plain.mode, plain.ttl_sec], ["rw", 3600]);
  for (
    const [query, prefix] of [
      ["prefix=/home/scratch/", "/home/scratch"],
      ["prefix=%2Fhome%2Fcaf%C3%A9", "/home/café"],
      ["prefix=/home/a+b", "/home/a b"],
      ["prefix=/home/a%2Bb", "/home/a+b"],
      ["prefix=/home/100%25", "/home/100%"],
      ["prefix=/home/cafe%CC%81", "/home/café"],
      ["prefix=/", "/"],
      ["ttl=31536000&prefix=/home", "/home"],
    ] as const
  ) {
    assertStrictEquals((await mint(server, query)).prefix, prefix, query);
  }
});

/** Invalid parameters, also for T3. */
// deno-fmt-ignore
const NOT_MINTED = [
  "", "prefix=", "prefix", "prefix=home/scratch", "prefix=//", "prefix=///", "prefix=/home//",
  "prefix=/home//x", "prefix=/home/../etc", "prefix=/home/./x", "prefix=/home/%2e%2e", "prefix=/..",
  "prefix=/home/a%00b", "prefix=/home/a%0Ab", "prefix=/home/a%0D%0Ab", "prefix=/home/a%7Cb",
  "prefix=/home/a|b", "prefix=/home/a%5Cb", "prefix=/home/caf%25C3%25A9", "prefix=%252Fhome", "prefix=/home/%ff",
  "prefix=/home/%", "prefix=http://x/home", "prefix=*", "prefix=/home/a%E2%80%A8b",
  "prefix=/home/x&mode=w", "prefix=/home/x&mode=", "prefix=/home/x&mode=RW", "prefix=/home/x&mode=rwx",
  "prefix=/home/x&mode=r%7C9999999999%7Crw", "prefix=/home/x&ttl=0", "prefix=/home/x&ttl=-1",
  "prefix=/home/x&ttl=1.5", "prefix=/home/x&ttl=", "prefix=/home/x&ttl=1e3", "prefix=/home/x&ttl=x",
  "prefix=/home/x&ttl=31536001", "prefix=/home/x&ttl=99999999999999999999",
  `prefix=/home/${"x".repeat(4000)}`,
  "prefix=/home/x&name=", "prefix=/home/x&name=.", "prefix=/home/x&name=..", "prefix=/home/x&name=a/b",
  "prefix=/home/x&name=a%7Cb", "prefix=/home/x&name=~a", "prefix=/home/x&name=a%20b", "prefix=/home/x&name=%C3%A9",
  "prefix=/home/x&name=a%0A", `prefix=/home/x&name=${"x".repeat(65)}`, "prefix=/home/x&mode=d", "prefix=/home/x&mode=rd",
];

test(
  "POST /auth/mint rejects prefixes and times that are not canonical or too large",
  async (server, t) => {
    await runScenarios(
      t,
      server,
      NOT_MINTED.map((query): Scenario => ({
        title: "answers 400",
        send: `POST /auth/mint?${query}`,
        as: T3,
        status: 400,
        text: /bad-query/,
        lacks: ['"token"'],
      })),
    );
  },
);

test("POST /auth/mint refuses a parameter that is unknown or sent twice", async (server, t) => {
  const once = /was sent twice; send it once/;
  const known = /POST takes \?prefix, \?ttl, \?mode and \?name/;
  await runScenarios(
    t,
    server,
    ([
      ["prefix=/home/x&prefix=/", once],
      ["prefix=/home/x&prefix=/home/x", once],
      ["prefix=/home/x&prefix", once],
      ["prefix=/home/x&mode=r&mode=rw", once],
      ["prefix=/home/x&ttl=60&ttl=31536000", once],
      ["prefix=/home/x&tll=60", known],
      ["prefix=/home/x&Mode=r", known],
      ["prefix=/home/x&%70refix=/", known],
      ["prefix=/home/x&mode%20=r", known],
      ["prefix=/home/x&=r", known],
      ["prefix=/home/x;mode=r&nam=x", known],
      ["prefix=/home/x&name=a&name=b", once],
      [`prefix=/home/x&${"n".repeat(3000)}=1`, known],
    ] as const).map(([query, text]): Scenario => ({
      title: "answers 400",
      send: `POST /auth/mint?${query}`,
      as: T3,
      status: 400,
      text,
      lacks: ['"token"'],
    })),
  );
  // An empty part is not a parameter.
  assertEquals((await mint(server, "&prefix=/home/x&&mode=r&")).mode, "r");
});

test("POST /auth/mint answers others than T3 the same for any parameters", async (server, t) => {
  const whole = server.capability("/", "rw");
  const inside = server.capability("/auth", "rw");
  const callers: readonly (readonly [string, Record<string, string>, number])[] = [
    ["anonymous", {}, 401],
    ["a wrong token", bearer("wrong"), 401],
    ["T2", T2, 403],
    ["a capability over everything", bearer(whole), 403],
    ["a capability over /auth", bearer(inside), 403],
  ];
  await runScenarios(
    t,
    server,
    callers.flatMap(([who, as, status]) =>
      ["prefix=/home/x", "", "prefix=/..&mode=w", "ttl=%", "unknown=1"].map((query): Scenario => ({
        title: `by ${who}`,
        send: `POST /auth/mint?${query}`,
        as,
        status,
        lacks: ["prefix", '"token"'],
      }))
    ),
  );
});

test("/auth answers 405 for other methods", async (server, t) => {
  await runScenarios(t, server, [
    {
      title: "answers 405",
      send: "GET /auth/mint?prefix=/home/x",
      as: T3,
      status: 405,
      has: { allow: "POST, OPTIONS" },
    },
    { title: "answers 405", send: "PUT /auth/mint?prefix=/home/x", as: T3, status: 405 },
    { title: "answers 405", send: "HEAD /auth/mint?prefix=/home/x", as: T3, status: 405 },
    {
      title: "answers 405",
      send: "OPTIONS /auth/mint",
      as: T3,
      status: 204,
      has: { allow: "POST, OPTIONS" },
    },
    {
      title: "names no method that the caller may not use",
      send: "OPTIONS /auth/mint",
      as: T2,
      status: 204,
      has: { allow: "OPTIONS" },
    },
    { title: "answers 405", send: "POST /auth/whoami", as: T3, status: 405 },
    {
      title: "answers 405",
      send: "OPTIONS /auth/whoami",
      status: 204,
      has: { allow: "GET, HEAD, OPTIONS" },
    },
    { title: "answers 405", send: "HEAD /auth/whoami", as: T3, status: 200, text: "" },
  ]);
});

test("GET /auth/whoami describes every kind of caller", async (server) => {
  const password = "correct horse battery staple ü";
  server.secrets.add(password);
  const hash = sha256Hex(password);
  await server.approve("PUT", "/etc/passwd", "ada:T2\nzoë:T1\nroot:T3\n");
  await server.approve(
    "PUT",
    "/etc/shadow",
    ["ada", "zoë", "root"].map((u) => `${u}:${hash}\n`).join(""),
  );
  server.secrets.add(hash);
  const cap = server.capability("/home/a", "rw");
  const less = narrow(cap, { prefix: "/home/a/b", mode: "r", exp: NOW() + 300 });
  server.secrets.add(less);
  const cases: readonly (readonly [Record<string, string>, number, Record<string, unknown>])[] = [
    [{}, 200, { tier: "T1", by: "T1" }],
    [bearer(TOKEN), 200, { tier: "T2", by: "T2" }],
    [bearer(APPROVE), 200, { tier: "T3", by: "T3" }],
    [{ authorization: `bearer ${APPROVE}` }, 200, { tier: "T3", by: "T3" }],
    [{ authorization: `BEARER   ${APPROVE}` }, 200, { tier: "T3", by: "T3" }],
    [basic("", APPROVE), 200, { tier: "T3", by: "T3" }],
    [basic("whoever", TOKEN), 200, { tier: "T2", by: "T2" }],
    [basic("", cap), 200, { tier: "T2", by: "cap:/home/a" }],
    [basic("ada", password), 200, { tier: "T2", by: "user:ada" }],
    [basic("zoë", password), 200, { tier: "T1", by: "user:zoë" }],
    [basic("zoe\u0308", password), 200, { tier: "T1", by: "user:zoë" }],
    [basic("root", password), 200, { tier: "T3", by: "user:root" }],
    [bearer(less), 200, { tier: "T2", by: "cap:/home/a/b", mode: "r" }],
    [basic("ada", "wrong"), 401, {}],
    [basic("ada", hash), 401, {}],
    [basic("nobody", password), 401, {}],
    [basic("root", ""), 401, {}],
    [bearer(""), 401, {}],
    [bearer(`${TOKEN} `.slice(0, -2)), 401, {}],
    [bearer(`${TOKEN}x`), 401, {}],
    [{ authorization: "Bearer" }, 401, {}],
    [{ authorization: `Token ${TOKEN}` }, 401, {}],
    [{ authorization: TOKEN }, 401, {}],
    [{ authorization: "Basic %%%" }, 401, {}],
    [{ authorization: `Bearer ${"x".repeat(9000)}` }, 401, {}],
    [bearer(server.capability("/home/a", "rw", -1)), 401, {}],
    [bearer(`${cap.slice(0, -1)}${cap.endsWith("A") ? "B" : "A"}`), 401, {}],
  ];
  for (const [headers, status, expected] of cases) {
    const reply = await server.send({ method: "GET", target: "/auth/whoami", headers });
    assertStrictEquals(
      reply.status,
      status,
      `${JSON.stringify(headers).slice(0, 80)} ${reply.text}`,
    );
    const body = JSON.parse(reply.text);
    for (const [key, value] of Object.entries(expected)) assertEquals(body[key], value);
    if (status === 401) {
      assertMatch(reply.headers.get("www-authenticate") ?? "", /^Bearer realm="elastik", Basic /);
    }
  }
});

test("GET /auth/whoami follows changes of the account files at once", async (server) => {
  const login = (password: string) =>
    server.send({ method: "GET", target: "/auth/whoami", headers: basic("ada", password) });
  for (let round = 0; round < 10; round++) {
    const password = `password ${round}`;
    await server.approve("PUT", "/etc/passwd", "ada:T2\n");
    await server.approve("PUT", "/etc/shadow", `ada:${sha256Hex(password)}\n`);
    assertEquals((await login(password)).status, 200, `round ${round}`);
    assertEquals((await login(`password ${round - 1}`)).status, 401, `round ${round}`);
  }
  await server.approve("POST", "/etc/passwd", "ada:T3\n");
  assertMatch((await login("password 9")).text, /"tier":"T2"/);
  await server.approve("DELETE", "/etc/shadow");
  assertEquals((await login("password 9")).status, 401);
});
