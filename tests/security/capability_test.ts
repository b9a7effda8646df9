/**
 * Properties of capabilities: no sequence of lines allows more than each of its lines; a holder never
 * takes the name of another one; a capability can do in its prefix what its mode says, by every
 * interface, and outside it only what every holder needs to work.
 */

import { assert, assertEquals, assertMatch, assertStrictEquals } from "../support/assert.ts";
import { Buffer } from "node:buffer";
import { createHmac } from "node:crypto";
import { createAuthenticator } from "../../lib/auth/authenticate.ts";
import { type Caller, type CapabilityMode, capabilityName } from "../../lib/auth/caller.ts";
import { type CapabilityLine, mint, narrow, verify } from "../../lib/auth/capability.ts";
import { canRead, decide } from "../../lib/auth/policy.ts";
import { createRandom } from "../support/random.ts";
import { runScenarios } from "../support/scenario.ts";
import { bearer, CLOSED, suite, type TestServer, withServer } from "../support/test_server.ts";

const SIGNING_KEY = "the key of the server";
const NOW = 1_800_000_000;
const PATHS = [
  "/",
  "/home",
  "/home/a",
  "/home/a/b",
  "/home/a/b/c",
  "/home/ab",
  "/home/b",
  "/lib/x",
  "/etc/x",
  "/etc/revoked",
];
const PREFIXES: readonly [string, ...string[]] = [
  "/",
  "/home",
  "/home/a",
  "/home/a/b",
  "/home/ab",
  "/home/b",
  "/lib",
  "/etc",
];
const MODES: readonly [CapabilityMode, ...CapabilityMode[]] = ["r", "rw", "rwd"];
const ACTIONS = ["read", "write", "delete", "activate", "mint"] as const;

function pick<T>(random: () => number, values: readonly [T, ...T[]]): T {
  return values[Math.floor(random() * values.length)] ?? values[0];
}

/** Signs lines as the contract describes, also those that `mint` and `narrow` refuse. */
function sign(lines: readonly string[]): string {
  let signature: string | Buffer = SIGNING_KEY;
  for (const line of lines) signature = createHmac("sha256", signature).update(line).digest();
  const payload = Buffer.from(lines.join("\n")).toString("base64url");
  return `${payload}.${Buffer.from(signature).toString("base64url")}`;
}

function callerOf(token: string): Caller | undefined {
  const scope = verify(SIGNING_KEY, token, NOW);
  if (scope === undefined) return undefined;
  return { tier: "T2", by: capabilityName(scope), scope, authenticated: true };
}

Deno.test("no sequence of lines allows more than each of its lines", () => {
  const seed = Date.now();
  const random = createRandom(seed);
  let valid = 0;
  for (let round = 0; round < 3_000; round++) {
    const all = Array.from({ length: 1 + Math.floor(random() * 4) }, (_, at) => {
      // The first line of a token without an id has no name.
      const name = at > 0 && random() < 0.3 ? `|${pick(random, ["a", "b", "kestrel"])}` : "";
      const exp = NOW + 10 + Math.floor(random() * 3);
      return `${pick(random, PREFIXES)}|${exp}|${pick(random, MODES)}${name}`;
    });
    const whole = callerOf(sign(all));
    const parts = all.map((line) => callerOf(sign([line.split("|", 3).join("|")])));
    const message = `seed ${seed}: ${JSON.stringify(all)}`;
    const prefixes = all.map((line) => line.split("|", 1)[0] ?? "");
    const isNested = prefixes.every((prefix, at) =>
      at === 0 || `${prefix}/`.startsWith(`${prefixes[at - 1]}/`.replace("//", "/"))
    );
    assertEquals(whole !== undefined, isNested, message);
    if (whole === undefined) continue;
    valid++;
    for (const part of parts) {
      assert(part !== undefined, message);
      assert((whole.scope?.exp ?? 0) <= (part.scope?.exp ?? 0), message);
      for (const path of PATHS) {
        for (const action of ACTIONS) {
          const isAllowed = decide(whole, action, path).allowed;
          assert(!isAllowed || decide(part, action, path).allowed, `${message} ${action} ${path}`);
        }
        assertEquals(canRead(whole, path), decide(whole, "read", path).allowed, message);
      }
    }
  }
  assert(valid > 300, `only ${valid} sequences were valid`);
});

Deno.test("the holders of two capabilities never have one name, whatever lines they add", () => {
  const seed = Date.now();
  const random = createRandom(seed);
  const idOf = (n: number) => `${NOW}000-${n.toString(16).padStart(16, "0")}`;
  const line = { prefix: "/home/team", mode: "rwd", exp: NOW + 60 } as const;
  /** Six capabilities, all for one prefix: with a name of their own, without, and of an old version. */
  const roots = [
    mint({ key: SIGNING_KEY, ...line, name: "kestrel", id: idOf(1) }),
    mint({ key: SIGNING_KEY, ...line, name: "junior", id: idOf(2) }),
    mint({ key: SIGNING_KEY, ...line, id: idOf(3) }),
    mint({ key: SIGNING_KEY, ...line, id: idOf(4) }),
    mint({ key: SIGNING_KEY, ...line }),
    mint({ key: SIGNING_KEY, ...line, exp: NOW + 61 }),
  ];
  const owners = new Map<string, number>();
  for (let round = 0; round < 3_000; round++) {
    const owner = Math.floor(random() * roots.length);
    let token = roots[owner] ?? "";
    for (let i = Math.floor(random() * 4); i > 0; i--) {
      const name = pick(random, ["", "kestrel", "junior", "a"]);
      const added: CapabilityLine = { ...line, ...(name === "" ? {} : { name }) };
      token = narrow(token, added);
    }
    const caller = callerOf(token);
    assert(caller !== undefined);
    // A capability without any name is not told apart from others of its prefix.
    if (caller.by === "cap:/home/team") continue;
    const known = owners.get(caller.by);
    assert(known === undefined || known === owner, `seed ${seed}: ${caller.by}`);
    owners.set(caller.by, owner);
  }
  assert(owners.size > 50, `only ${owners.size} names`);
});

Deno.test("no prefix looks like a name in `by`", () => {
  const id = `${NOW}000-0000000000000001`;
  const named = mint({
    key: SIGNING_KEY,
    prefix: "/home/team",
    mode: "rw",
    exp: NOW + 60,
    name: "kestrel",
    id,
  });
  assertEquals(callerOf(named)?.by, "cap:/home/team#kestrel");
  const rows = [
    ["/home/team#kestrel", "cap:/home/team%23kestrel"],
    ["/home/team#kestrel/junior", "cap:/home/team%23kestrel/junior"],
    ["/home/team%23kestrel", "cap:/home/team%2523kestrel"],
  ] as const;
  for (const [prefix, by] of rows) {
    const token = mint({ key: SIGNING_KEY, prefix, mode: "rw", exp: NOW + 60, id });
    assertEquals(callerOf(token)?.by, by);
  }
});

Deno.test("a token of an earlier version stays valid", () => {
  const authenticator = createAuthenticator({
    approveToken: "t3",
    key: SIGNING_KEY,
    now: () => NOW * 1000,
  });
  const token = sign([`/home/team|${NOW + 60}|rw`, `/home/team/a|${NOW + 50}|r`]);
  const caller = authenticator.authenticate(`Bearer ${token}`, false);
  assertEquals([caller.by, caller.scope?.mode], ["cap:/home/team/a", "r"]);
});

const test = suite("capabilities over HTTP", { env: CLOSED });

async function setUp(server: TestServer): Promise<void> {
  for (const name of ["a", "b", "c", "folder/x", "folder/y", "target"]) {
    await server.approve("PUT", `/home/team/${name}`, name);
  }
  await server.approve("PUT", "/home/other/x", "other");
  await server.approve("PUT", "/lib/p", "export default {};");
}

test("mode rwd deletes and moves in its prefix, plainly and by WebDAV", async (server, t) => {
  await setUp(server);
  const rwd = bearer(server.capability("/home/team", "rwd"));
  const to = (path: string) => ({ destination: `/dav${path}` });
  const by = "cap:/home/team";
  await runScenarios(t, server, [
    {
      title: "is deleted",
      send: "DELETE /home/team/a",
      as: rwd,
      status: 200,
      changes: { "home/team/a": "gone" },
    },
    {
      title: "is deleted",
      send: "DELETE /dav/home/team/b",
      as: rwd,
      status: 204,
      changes: { "home/team/b": "gone" },
    },
    {
      title: "is moved with its chain",
      send: "MOVE /dav/home/team/c",
      as: rwd,
      headers: to("/home/team/d"),
      status: 201,
      changes: {
        "home/team/c": "gone",
        "home/team/d": ["stage_written", "world_moved"],
      },
    },
    {
      title: "names the caller",
      send: "GET /proc/log/home/team/d?limit=1",
      as: rwd,
      status: 200,
      text: new RegExp(`"by":"${by}"`),
    },
    {
      title: "replaces a world",
      send: "COPY /dav/home/team/d",
      as: rwd,
      headers: to("/home/team/target"),
      status: 204,
      changes: { "home/team/target": ["stage_written"] },
    },
    {
      title: "is moved plainly",
      send: "MOVE /home/team/d",
      as: rwd,
      headers: { destination: "/home/team/e" },
      status: 201,
      changes: {
        "home/team/d": "gone",
        "home/team/e": ["stage_written", "world_moved", "world_moved"],
      },
    },
    {
      title: "moves no world out of the prefix plainly",
      send: "MOVE /home/team/e",
      as: rwd,
      headers: { destination: "/home/other/e" },
      status: 403,
      text: /Cannot write \/home\/other\/e/,
    },
    {
      title: "moves no plugin source",
      send: "MOVE /lib/p",
      as: bearer(server.capability("/", "rwd")),
      headers: { destination: "/home/team/p" },
      status: 403,
      text: /T3 is required/,
    },
    {
      title: "moves no world out of the prefix",
      send: "MOVE /dav/home/team/e",
      as: rwd,
      headers: to("/home/other/d"),
      status: 403,
      text: /Cannot write \/home\/other\/d: the capability covers \/home\/team with mode rwd/,
    },
    {
      title: "moves no world into the prefix",
      send: "MOVE /dav/home/other/x",
      as: rwd,
      headers: to("/home/team/x"),
      status: 403,
    },
    { title: "deletes nothing outside", send: "DELETE /home/other/x", as: rwd, status: 403 },
    { title: "deletes nothing outside", send: "DELETE /dav/home/other/", as: rwd, status: 403 },
    { title: "deletes nothing above", send: "DELETE /dav/home/", as: rwd, status: 403 },
    {
      title: "deletes a collection",
      send: "DELETE /home/team/folder/",
      as: rwd,
      status: 200,
      changes: { "home/team/folder/x": "gone", "home/team/folder/y": "gone" },
    },
  ]);
});

test(
  "modes r and rw delete and move nothing, and the problem names mode rwd",
  async (server, t) => {
    await setUp(server);
    const rw = bearer(server.capability("/home/team", "rw"));
    const r = bearer(server.capability("/home/team", "r"));
    const needed =
      /the capability covers \/home\/team with mode rw?; a capability of mode rwd over the path is/;
    await runScenarios(
      t,
      server,
      [rw, r].flatMap((as) => [
        { title: "is refused", send: "DELETE /home/team/a", as, status: 403, text: needed },
        { title: "is refused", send: "DELETE /home/team/folder/", as, status: 403, text: needed },
        { title: "is refused", send: "DELETE /dav/home/team/a", as, status: 403, text: needed },
        {
          title: "is refused",
          send: "MOVE /dav/home/team/a",
          as,
          headers: { destination: "/dav/home/team/z" },
          status: 403,
          text: needed,
        },
      ]),
    );
    const move =
      /Cannot move (everything below )?\/home\/team\/(a|folder): .* mode rwd over the path/;
    for (const as of [rw, r, {}, bearer(server.capability("/home/elsewhere", "rwd"))]) {
      for (const target of ["/home/team/a", "/home/team/folder/", "/dav/home/team/a"]) {
        const destination = target.replace("team", "team/z");
        const headers = { ...as, destination };
        const { status, text } = await server.send({ method: "MOVE", target, headers });
        assertEquals(status, "authorization" in as ? 403 : 401, text);
        assertMatch(text, move);
      }
    }
  },
);

test("a capability marks no collection outside its prefix", async (server) => {
  const statuses: number[] = [];
  for (const prefix of ["/home/only", "/home/only/a"]) {
    await server.approve("PUT", "/home/only/a/x", "x");
    const headers = bearer(server.capability(prefix, "rwd"));
    const target = "/dav/home/only/a/";
    const deleted = await server.send({ method: "DELETE", target, headers });
    assertEquals(deleted.status, 204, deleted.text);
    statuses.push((await server.approve("GET", "/home/only/")).status);
    await server.approve("DELETE", "/home/only/");
  }
  // A folder that is empty now remains if the capability may change it.
  assertEquals(statuses, [200, 404]);
});

test("mode rwd never deletes plugin sources, and nothing that T2 cannot write", async (server) => {
  await setUp(server);
  await server.approve("PUT", "/etc/x", "x");
  const rwd = bearer(server.capability("/", "rwd"));
  for (
    const target of ["/lib/p", "/dav/lib/p", "/etc/x", "/dav/etc/x", "/lib/", "/home/", "/etc/"]
  ) {
    const { status, text } = await server.send({ method: "DELETE", target, headers: rwd });
    assertStrictEquals(status === 403 || status === 405, true, `${target} ${status} ${text}`);
  }
  for (const path of ["/lib/p", "/etc/x"]) {
    assertEquals((await server.approve("GET", `${path}?raw`)).status, 200, path);
  }
});

test("OPTIONS and 405 name only the methods that the caller may use", async (server, t) => {
  await setUp(server);
  const cap = (mode: CapabilityMode) => bearer(server.capability("/home/team", mode));
  const allow = (value: string) => ({ allow: value });
  await runScenarios(t, server, [
    {
      title: "reads",
      send: "OPTIONS /home/team/a",
      as: cap("r"),
      status: 204,
      has: { allow: /^GET, HEAD, OPTIONS$/ },
    },
    {
      title: "does not delete",
      send: "OPTIONS /home/team/a",
      as: cap("rw"),
      status: 204,
      has: { allow: /^GET, HEAD, PUT, POST, (PATCH, )?OPTIONS$/ },
    },
    {
      title: "deletes",
      send: "OPTIONS /home/team/a",
      as: cap("rwd"),
      status: 204,
      has: { allow: /, DELETE,/ },
    },
    {
      title: "is outside",
      send: "OPTIONS /home/other/x",
      as: cap("rwd"),
      status: 204,
      has: allow("OPTIONS"),
    },
    {
      title: "does not depend on the world",
      send: "OPTIONS /home/other/absent",
      as: cap("rwd"),
      status: 204,
      has: allow("OPTIONS"),
    },
    {
      title: "is read by T1",
      send: "OPTIONS /home/team/a",
      status: 204,
      has: allow("GET, HEAD, OPTIONS"),
    },
    {
      title: "lists what the caller may use",
      send: "LOCK /home/team/a",
      as: cap("r"),
      status: 405,
      has: allow("GET, HEAD, OPTIONS"),
      text: /allowed methods are GET, HEAD, OPTIONS/,
    },
    {
      title: "is read by WebDAV",
      send: "OPTIONS /dav/home/team/a",
      as: cap("r"),
      status: 200,
      has: allow("OPTIONS, GET, HEAD, PROPFIND, COPY"),
    },
    {
      title: "is changed by WebDAV",
      send: "OPTIONS /dav/home/team/a",
      as: cap("rwd"),
      status: 200,
      has: { allow: /DELETE.*MOVE, LOCK, UNLOCK$/ },
    },
    {
      title: "lists all methods before a client has sent a credential",
      send: "OPTIONS /dav/home/team/a",
      status: 200,
      has: { allow: /PUT, DELETE/ },
    },
  ]);
});

Deno.test("a capability sees what it needs to work, also from another computer", async () => {
  const lowerTexts = {
    "usr/lib/shell/index.html": "<!doctype html><title>the shell</title>",
    "usr/lib/shell/site/llms.txt": "# elastik\n",
    "usr/lib/skills/elastik.md": "# Skill\n",
    "usr/share/doc/auth.md": "# Auth\n",
  };
  await withServer({ env: CLOSED, lowerTexts }, async (server) => {
    await server.approve("PUT", "/home/team/x", "x");
    await server.approve("PUT", "/home/secret/name", "y");
    await server.approve("PUT", "/usr/share/doc/more.md", "# More\n");
    const cap = bearer(server.capability("/home/team", "r"));
    const get = (target: string, headers = {}) =>
      server.send({ method: "GET", target, headers: { ...cap, ...headers } });
    for (const remote of [{}, { via: "1.1 proxy" }]) {
      for (
        const target of [
          "/usr/",
          "/usr/share/doc/",
          "/usr/share/doc/auth.md?raw",
          "/usr/lib/skills/elastik.md?raw",
          "/proc/log/usr/share/doc/more.md",
          "/proc/log/usr/",
          "/proc/audit/usr/share/doc/more.md",
          "/dav/usr/share/doc/auth.md",
          "/bin",
          "/llms.txt",
          "/auth/whoami",
          "/proc/status",
          "/proc/version",
          "/proc/worlds",
          "/home/team/",
          "/proc/log/home/",
        ]
      ) {
        const { status, text } = await get(target, remote);
        assertEquals(status, 200, `${target} ${text}`);
        assert(!text.includes("secret"), target);
      }
      for (
        const target of ["/home/", "/home/secret/name", "/etc/", "/proc/log/home/secret/name", "/"]
      ) {
        assertEquals((await get(target, remote)).status, 403, target);
      }
    }
    const names = JSON.parse((await get("/proc/worlds")).text).map(({ name }: { name: string }) =>
      name
    );
    assert(names.includes("home/team/x") && names.includes("usr/share/doc/auth.md"), `${names}`);
    assertEquals(JSON.parse((await get("/proc/status")).text).worlds, names.length);
    // The number does not show that others create worlds.
    await server.approve("PUT", "/home/secret/more", "z");
    assertEquals(JSON.parse((await get("/proc/status")).text).worlds, names.length);
    assertMatch((await get("/bin")).text, /^\/stream\t/m);
    const anonymous = await server.send({
      method: "GET",
      target: "/proc/status",
      headers: { via: "1.1 proxy" },
    });
    assertEquals(anonymous.status, 401);
  });
});
