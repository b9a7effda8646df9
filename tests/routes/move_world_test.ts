/** MOVE on plain paths over HTTP: rights, destinations, Overwrite, conditions, collections, locks. */

import { assertEquals, assertMatch } from "../support/assert.ts";
import { APPROVE, bearer, CLOSED, suite, TOKEN, TWO_WRITERS } from "../support/test_server.ts";
import { runScenarios, type Scenario } from "../support/scenario.ts";

const test = suite("MOVE /<world>", { env: { ...CLOSED, ...TWO_WRITERS } });

const T2 = bearer(TOKEN);
const T3 = bearer(APPROVE);
const BROWSER = "text/html,*/*;q=0.8";

function put(path: string, body = "x", status = 201): Scenario {
  return {
    title: "creates or replaces the world",
    send: `PUT ${path}`,
    as: T3,
    headers: { "x-meta-author": "ada" },
    body,
    status,
    changes: { [decodeURIComponent(path.slice(1))]: ["stage_written"] },
  };
}

function move(title: string, path: string, destination: string, more: Partial<Scenario>): Scenario {
  const { headers, ...rest } = more;
  return {
    title,
    send: `MOVE ${path}`,
    as: T3,
    status: 201,
    ...rest,
    headers: { destination, ...headers },
  };
}

test("renames a world with metadata, history and chain", async (server, t) => {
  await runScenarios(t, server, [
    put("/home/x", "one"),
    put("/home/x", "two", 200),
    move("answers version, ext, ETag and Location", "/home/x", "/home/y.md", {
      json: { version: 3, ext: "md" },
      has: { location: "/home/y.md", etag: /^"3-[0-9a-f]{16}\.raw"$/ },
      changes: { "home/x": "gone", "home/y.md": ["stage_written", "stage_written", "world_moved"] },
    }),
    {
      title: "has the metadata",
      send: "GET /home/y.md?raw",
      as: T3,
      status: 200,
      text: "two",
      has: { "x-meta-author": "ada" },
    },
    { title: "has the history", send: "GET /home/y.md?at=1&raw", as: T3, status: 200, text: "one" },
    { title: "is absent at its old name", send: "GET /home/x", as: T3, status: 404 },
    {
      title: "continues the numbering of the old name",
      send: "PUT /home/x",
      as: T3,
      body: "new",
      status: 201,
      json: { version: 3 },
      changes: { "home/x": ["stage_written"] },
    },
  ]);
  await server.audit();
});

test("asks the policy for both names before it reads or changes anything", async (server, t) => {
  const inside = bearer(server.capability("/home/team", "rw"));
  await runScenarios(t, server, [
    put("/home/team/x", "secret-text"),
    move("answers 401 without a credential", "/home/team/x", "/home/team/y", {
      as: {},
      status: 401,
    }),
    move("answers 403 to T2", "/home/team/x", "/home/team/y", { as: T2, status: 403 }),
    move("answers 403 to a capability without d", "/home/team/x", "/home/team/y", {
      as: inside,
      status: 403,
    }),
    move("answers 403 to a capability of another prefix", "/home/other/x", "/home/team/y", {
      as: inside,
      status: 403,
      lacks: ["does not exist"],
    }),
    move("answers 401 for an absent world too", "/home/team/absent", "/home/team/y", {
      as: {},
      status: 401,
    }),
  ]);
});

test("refuses destinations that are not worlds of this server", async (server, t) => {
  await runScenarios(t, server, [
    put("/home/x"),
    {
      title: "without Destination",
      send: "MOVE /home/x",
      as: T3,
      status: 400,
      text: /Destination/,
    },
    move("another host", "/home/x", "http://example.com/home/y", { status: 502 }),
    move("a path outside the namespaces", "/home/x", "/proc/y", { status: 502 }),
    move("the path of WebDAV", "/home/x", "/dav/home/y", { status: 502 }),
    move("a query", "/home/x", "/home/y?raw", { status: 400 }),
    move("a relative path", "/home/x", "y", { status: 400 }),
    move("dot segments", "/home/x", "/home/../etc/y", { status: 400 }),
    move("a refused name", "/home/x", "/home/a%3Ab", { status: 400 }),
    move("the namespace", "/home/x", "/home", { status: 403 }),
    move("the same path", "/home/x", "/home/x", { status: 403 }),
    move("a collection for a world", "/home/x", "/home/y/", { status: 400, text: /slash/ }),
    move("content", "/home/x", "/home/y", { status: 400, body: "text" }),
    move("a query of the request", "/home/x?raw", "/home/y", { status: 400 }),
    move("an absent world", "/home/z", "/home/y", { status: 404 }),
    move("an Overwrite that is neither T nor F", "/home/x", "/home/y", {
      status: 400,
      headers: { overwrite: "yes" },
    }),
    move("a world of the lower layer", "/usr/share/doc/note.md", "/home/y", { status: 403 }),
    move("a page request", "/home/z", "/home/y", { status: 404, headers: { accept: BROWSER } }),
  ]);
});

test("accepts absolute URLs and both spellings of UTF-8", async (server, t) => {
  const host = `127.0.0.1:${server.port}`;
  await runScenarios(t, server, [
    put("/home/x"),
    move("an absolute URL", "/home/x", `http://${host}/home/%C3%A9`, {
      has: { location: "/home/%C3%A9" },
      changes: { "home/x": "gone", "home/é": ["stage_written", "world_moved"] },
    }),
    move("raw UTF-8", "/home/%C3%A9", "/home/é2", {
      has: { location: "/home/%C3%A92" },
      changes: { "home/é": "gone", "home/é2": ["stage_written", "world_moved", "world_moved"] },
    }),
  ]);
});

test("replaces a world unless Overwrite is F, and keeps its versions", async (server, t) => {
  await runScenarios(t, server, [
    put("/home/x", "new"),
    put("/home/y", "old"),
    put("/home/y", "older", 200),
    move("answers 412 with Overwrite: F", "/home/x", "/home/y", {
      status: 412,
      headers: { overwrite: "F" },
    }),
    move("answers 200 with a higher version", "/home/x", "/home/y", {
      status: 200,
      json: { version: 3 },
      has: { location: "/home/y" },
      changes: { "home/x": "gone", "home/y": ["stage_written"] },
    }),
    { title: "keeps the bytes", send: "GET /home/y?at=2&raw", as: T3, status: 200, text: "older" },
    { title: "has the new bytes", send: "GET /home/y?raw", as: T3, status: 200, text: "new" },
  ]);
});

test("checks conditions in the step of the move", async (server, t) => {
  await runScenarios(t, server, [
    put("/home/x"),
    move("answers 412 to a stale If-Match", "/home/x", "/home/y", {
      status: 412,
      headers: { "if-match": '"7"' },
    }),
    move("answers 412 to If-None-Match: *", "/home/x", "/home/y", {
      status: 412,
      headers: { "if-none-match": "*" },
    }),
    move("moves with the current version", "/home/x", "/home/y", {
      headers: { "if-match": '"1"' },
      changes: { "home/x": "gone", "home/y": ["stage_written", "world_moved"] },
    }),
  ]);
});

test(
  "moves collections with a slash, and worlds of the same name without one",
  async (server, t) => {
    await runScenarios(t, server, [
      put("/home/a", "world"),
      put("/home/a/1", "one"),
      put("/home/a/b/2", "two"),
      put("/home/c", "other"),
      put("/home/c/3", "three"),
      move("answers 404 without worlds below it", "/home/z/", "/home/y/", { status: 404 }),
      move("needs the slash for a collection", "/home/a/b", "/home/y", {
        status: 404,
        text: /MOVE \/home\/a\/b\//,
      }),
      move("refuses a destination inside", "/home/a/", "/home/a/b/", { status: 403 }),
      move("refuses a condition", "/home/a/", "/home/y/", {
        status: 412,
        headers: { "if-match": '"1"' },
      }),
      move("answers 412 with Overwrite: F", "/home/a/", "/home/c/", {
        status: 412,
        headers: { overwrite: "F" },
      }),
      move("lists what was moved; worlds of the names stay", "/home/a/", "/home/c/", {
        status: 200,
        text: '{"moved":[["home/a/1","home/c/1"],["home/a/b/2","home/c/b/2"]]}\n',
        has: { location: "/home/c/" },
        changes: {
          "home/a/1": "gone",
          "home/a/b/2": "gone",
          "home/c/3": "gone",
          "home/c/1": ["stage_written", "world_moved"],
          "home/c/b/2": ["stage_written", "world_moved"],
        },
      }),
      { title: "keeps the world", send: "GET /home/a?raw", as: T3, status: 200, text: "world" },
      {
        title: "keeps the other world",
        send: "GET /home/c?raw",
        as: T3,
        status: 200,
        text: "other",
      },
    ]);
  },
);

test("respects the locks of WebDAV clients", async (server, t) => {
  const lock =
    '<lockinfo xmlns="DAV:"><lockscope><exclusive/></lockscope><locktype><write/></locktype></lockinfo>';
  await server.send({ method: "PUT", target: "/home/x", headers: T3, body: "x" });
  const locked = await server.send({
    method: "LOCK",
    target: "/dav/home/x",
    headers: { ...T3, timeout: "Second-600" },
    body: lock,
  });
  const token = locked.headers.get("lock-token") ?? "";
  assertMatch(token, /^<urn:uuid:/);
  await runScenarios(t, server, [
    move("answers 423 without the token", "/home/x", "/home/y", { status: 423 }),
    move("moves with the token", "/home/x", "/home/y", {
      headers: { if: `(${token})` },
      changes: { "home/x": "gone", "home/y": ["stage_written", "world_moved"] },
    }),
    {
      title: "does not move the lock",
      send: "PUT /home/y",
      as: T2,
      body: "z",
      status: 200,
      changes: { "home/y": ["stage_written"] },
    },
  ]);
});

test("OPTIONS names MOVE for worlds and collections", async (server) => {
  for (const path of ["/home/x", "/home/x/"]) {
    const { headers } = await server.approve("OPTIONS", path);
    assertEquals(headers.get("allow")?.split(", ").includes("MOVE"), true, path);
  }
});
