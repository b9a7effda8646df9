import { assertEquals } from "../support/assert.ts";
import { withApp } from "../support/app.ts";
import { runScenarios, type Scenario } from "../support/scenario.ts";
import { APPROVE, bearer, CLOSED, suite, type TestServer, TOKEN } from "../support/test_server.ts";

const test = suite("a query parameter is never ignored", { env: CLOSED });

const T2 = bearer(TOKEN);
const T3 = bearer(APPROVE);
const PAGE = { accept: "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8" };
const SOURCE = `export const routes = ["/p"];
export default { fetch: ({ url }) => new Response(new URL(url).search) };
`;

async function store(server: TestServer): Promise<void> {
  const writes = [["/home/x", "one"], ["/home/x", "two"], ["/home/c/y", "y"], ["/lib/p", SOURCE]];
  for (const [target = "", body] of writes) {
    await server.send({ method: "PUT", target, headers: T2, ...(body ? { body } : {}) });
  }
}

/** What a path takes by method, and a parameter of another method or kind with its explanation. */
interface Route {
  readonly path: string;
  readonly takes: Readonly<Record<string, string>>;
}

const WORLD = "?raw, ?at, ?v, ?lines, ?diff and ?wait";
const NONE = "no parameters";
const LISTING = "?deep, ?sort, ?since, ?limit, ?after and ?contents";
const ROUTES: readonly Route[] = [
  {
    path: "/home/x",
    takes: { GET: WORLD, HEAD: "", PUT: "?ext, ?from and ?trash", POST: "?ext", DELETE: NONE },
  },
  {
    path: "/lib/p",
    takes: { GET: WORLD, HEAD: "", PUT: "?ext, ?from and ?trash", POST: "?ext", DELETE: NONE },
  },
  { path: "/home/absent", takes: { GET: WORLD, PUT: "?ext, ?from and ?trash", DELETE: NONE } },
  { path: "/home/c/", takes: { GET: LISTING, HEAD: "", DELETE: NONE } },
  { path: "/home", takes: { GET: LISTING, HEAD: "" } },
  { path: "/lib/p/state", takes: { GET: "?asks", HEAD: "", PUT: NONE } },
  { path: "/stream/home/x", takes: { GET: NONE, HEAD: "" } },
  { path: "/stream/home/", takes: { GET: "?brief, ?deep and ?contents", HEAD: "" } },
  { path: "/stream/", takes: { GET: "?brief, ?deep and ?contents", HEAD: "" } },
  { path: "/auth/whoami", takes: { GET: NONE, HEAD: "" } },
  { path: "/auth/mint", takes: { POST: "?prefix, ?ttl, ?mode and ?name" } },
  { path: "/proc", takes: { GET: NONE, HEAD: "" } },
  { path: "/proc/status", takes: { GET: NONE, HEAD: "" } },
  { path: "/proc/nodes", takes: { GET: NONE, HEAD: "" } },
  { path: "/proc/uptime", takes: { GET: NONE, HEAD: "" } },
  { path: "/proc/version", takes: { GET: NONE, HEAD: "" } },
  { path: "/proc/metrics", takes: { GET: NONE, HEAD: "" } },
  { path: "/proc/worlds", takes: { GET: "?prefix", HEAD: "" } },
  { path: "/proc/log/home/x", takes: { GET: "?before and ?limit", HEAD: "" } },
  { path: "/proc/audit/home/x", takes: { GET: NONE, HEAD: "" } },
  { path: "/proc/snapshot/home/x", takes: { GET: NONE, HEAD: "", POST: NONE } },
  { path: "/proc/source", takes: { GET: NONE, HEAD: "" } },
  { path: "/proc/source/main.ts", takes: { GET: NONE, HEAD: "" } },
  { path: "/bin/proc/log/home/x", takes: { GET: "?before and ?limit" } },
  { path: "/bin/proc/version", takes: { GET: NONE } },
  { path: "/bin", takes: { GET: NONE } },
  { path: "/dev/", takes: { GET: NONE } },
  { path: "/mnt/", takes: { GET: NONE } },
  { path: "/", takes: { GET: NONE } },
  {
    path: "/dav/home/x",
    takes: {
      GET: NONE,
      PUT: NONE,
      DELETE: NONE,
      PROPFIND: NONE,
      MKCOL: NONE,
      COPY: NONE,
      MOVE: NONE,
    },
  },
];

test("every route refuses an unknown parameter and names the known ones", async (server, t) => {
  await store(server);
  await runScenarios(
    t,
    server,
    ROUTES.flatMap(({ path, takes }) =>
      Object.entries(takes).map(([method, known]): Scenario => ({
        title: "answers 400",
        send: `${method} ${path}?utm_source=mail`,
        as: T3,
        ...(method === "PUT" || method === "POST" ? { body: "x" } : {}),
        status: 400,
        has: { "content-type": "application/problem+json" },
        ...(method === "HEAD" ? {} : {
          json: { type: "/usr/share/doc/problems/bad-query.md" },
          text: new RegExp(
            `\\?utm_source is unknown; ${method} takes ${known.replaceAll("?", "\\?")}"`,
          ),
        }),
      }))
    ),
  );
});

/** Without effect: the table runner checks that no row stores or deletes anything. */
const REFUSED: readonly (readonly [send: string, text: RegExp])[] = [
  ["DELETE /home/x?at=1", /\?at is for GET; DELETE takes no parameters/],
  ["DELETE /home/x?from=1", /\?from is for PUT/],
  ["DELETE /home/c/?deep", /\?deep is for GET; DELETE takes no parameters/],
  ["DELETE /home/x/?at=1", /\?at is for GET of worlds/],
  ["DELETE /dav/home/x?at=1", /\?at is unknown/],
  ["POST /home/x?from=1", /\?from is for PUT; POST takes \?ext/],
  ["PUT /home/x?at=1", /\?at is for GET; PUT takes \?ext, \?from and \?trash/],
  ["PUT /home/x?raw", /\?raw is for GET/],
  ["PUT /home/x?etx=md", /\?etx is unknown, perhaps \?ext was meant/],
  ["PUT /home/x?from=x", /\?from=x is not valid; send the number of an earlier version/],
  ["PUT /home/x?ext=md&ext=html", /\?ext was sent twice/],
  ["PUT /home/x?from=1&from=1", /\?from was sent twice/],
  ["PUT /home/x?%65xt=md", /\?%65xt is unknown/],
  ["PUT /home/x?ext;from=1", /is unknown/],
  ["GET /home/x?rwa", /\?rwa is unknown, perhaps \?raw was meant/],
  ["GET /home/x?at=1&at=2", /\?at was sent twice/],
  ["GET /home/x?raw&raw", /\?raw was sent twice/],
  ["GET /home/x?raw&at=1&at=1", /\?at was sent twice/],
  ["GET /home/x?raw=false", /send \?raw without a value, or leave it out/],
  ["GET /home/x?at=x", /\?at=x is not valid; send a version number, such as \?at=3/],
  ["GET /home/x?at", /\?at= is not valid/],
  ["GET /home/x?v=", /\?v= is not valid; send the number of the version that you have/],
  ["GET /home/x?v=%zz", /the percent escapes in \?v are malformed/],
  ["GET /home/x?at=1&v=1", /\?at and \?v exclude each other/],
  ["GET /home/x?ext=md", /\?ext is for PUT and POST; GET takes/],
  ["GET /home/c/?at=1", /\?at is for GET of worlds; GET takes \?deep, \?sort, /],
  ["GET /home/c/?sort=age", /\?sort=age is not valid; send \?sort= with name, time or size/],
  ["GET /home/c/?limit=0", /\?limit=0 is not valid; send a whole number from 1 to 10000/],
  ["GET /home/c/?since=noon", /\?since=noon is not valid; send a time of RFC 3339/],
  ["GET /home/c/?since=2026-11-28T10:00:00+01:00", /with %2B for a plus sign/],
  ["GET /home/c/?deep=false", /\?deep=false is not valid/],
  ["GET /home/x?deep", /\?deep is for GET of collections/],
  ["GET /stream/home/x?brief", /\?brief is for GET of collections, whose path ends in a slash/],
  ["GET /stream/home/?brief&contents", /\?contents and \?brief exclude each other/],
  ["GET /stream/home/?brief&brief", /\?brief was sent twice/],
  [
    "GET /proc/log/home/x?limit=1001",
    /\?limit=1001 is not valid; send a whole number from 0 to 1000/,
  ],
  ["GET /proc/log/home/x?limit=1&limit=2", /\?limit was sent twice/],
  ["GET /proc/worlds?prefix=/home&prefix=/", /\?prefix was sent twice/],
  ["POST /auth/mint?prefix=/home/x&ttl=0", /send a whole number of seconds from 1 to/],
  ["GET /lib/p/state?asks=no", /send \?asks without a value/],
];

test("a query that the route does not take changes nothing", async (server, t) => {
  await store(server);
  await runScenarios(
    t,
    server,
    REFUSED.map(([send, text]): Scenario => ({
      title: "answers 400",
      send,
      as: T3,
      ...(/^P/.test(send) ? { body: "x" } : {}),
      status: 400,
      text,
    })),
  );
});

test(
  "browser navigations may have any parameters, other requests of a browser may not",
  async (server, t) => {
    await store(server);
    const pages = ["/home/x", "/home/c/", "/home/x?raw", "/proc/log/home/x", "/proc/version"];
    await runScenarios(t, server, [
      ...pages.flatMap((path): Scenario[] => {
        const target = `${path}${path.includes("?") ? "&" : "?"}utm_source=mail&fbclid=1`;
        return ["GET", "HEAD"].map((method) => ({
          title: "answers 200 to a navigation",
          send: `${method} ${target}`,
          as: T2,
          headers: PAGE,
          status: 200,
        }));
      }),
      ...["*/*", "image/avif,*/*;q=0.8", "application/json, text/html"].map((accept): Scenario => ({
        title: `answers 400 to ${accept}`,
        send: "GET /home/x?utm_source=mail",
        as: T2,
        headers: { accept },
        status: 400,
      })),
      {
        title: "answers 400 to another method",
        send: "DELETE /home/x?at=1",
        as: T3,
        headers: PAGE,
        status: 400,
      },
      {
        title: "answers 204: it asks about the path",
        send: "OPTIONS /home/x?utm_source=mail",
        as: T2,
        status: 204,
      },
    ]);
  },
);

test("401, 403 and 405 are more important than a query", async (server, t) => {
  await store(server);
  const inside = bearer(server.capability("/home/c", "r"));
  const rows: readonly (readonly [string, Record<string, string>, number])[] = [
    ["GET /boot/env?x", {}, 401],
    ["GET /boot/env?x", T2, 403],
    ["PUT /home/x?x", {}, 401],
    ["PUT /etc/x?x", T2, 403],
    ["DELETE /home/x?at=1", T2, 403],
    ["GET /home/x?x", inside, 403],
    ["GET /proc/log/home/x?x", inside, 403],
    ["GET /stream/x?x", inside, 403],
    ["PUT /dav/home/c/y?x", inside, 403],
    ["POST /auth/mint?x", T2, 403],
    ["GET /home/c/y?x", inside, 400],
    ["GET /proc/audit/home/c/y?x", inside, 400],
    ["GET /proc/search/home/?query=x", inside, 400],
    ["GET /proc/log/?x", inside, 400],
    ["GET /proc/log/home/x/?x", inside, 403],
    ["GET /stream/c/y?x", inside, 400],
    ["PUT /home/c/?ext=md", T3, 405],
    ["POST /home?ext=md", T3, 405],
    ["PATCH /proc/version?x", T3, 405],
  ];
  await runScenarios(
    t,
    server,
    rows.map(([send, as, status]): Scenario => ({ title: `answers ${status}`, send, as, status })),
  );
});

test("PUT ?from= restores with the extension that ?ext= names", async (server, t) => {
  await store(server);
  await runScenarios(t, server, [
    {
      title: "restores version 1 as md",
      send: "PUT /home/x?from=1&ext=md",
      as: T2,
      status: 200,
      json: { version: 3, ext: "md" },
      changes: { "home/x": ["stage_written"] },
    },
    { title: "sends version 1", send: "GET /home/x?raw", as: T2, status: 200, text: "one" },
    {
      title: "refuses an invalid extension",
      send: "PUT /home/x?ext&from=1",
      as: T2,
      status: 400,
      text: /ext is not valid/,
    },
    {
      title: "restores version 1 with its own extension",
      send: "PUT /home/x?from=1",
      as: T2,
      status: 200,
      json: { version: 4, ext: "txt" },
      changes: { "home/x": ["stage_written"] },
    },
  ]);
});

Deno.test("every route of the core checks its query", async () => {
  await withApp({}, async ({ app, ask }) => {
    const unchecked: string[] = [];
    for (const pattern of app.routes) {
      const path = pattern.replace(/:\w+\{\.\+\}$|\*$/, "home/x").replace(":name", "p")
        .replace("/bin/home/x", "/bin/proc/version");
      let status = 0;
      for (const method of ["GET", "POST"]) {
        const response = await ask(method, `${path}?no-such-parameter`, {
          headers: bearer(APPROVE),
        });
        await response.body?.cancel();
        if (response.status !== 405) status = response.status;
      }
      if (status !== 400) unchecked.push(`${pattern} ${status}`);
    }
    assertEquals(unchecked, []);
  });
});
