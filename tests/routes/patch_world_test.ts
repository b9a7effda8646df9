/**
 * PATCH of worlds over HTTP: formats, codes, metadata, rights, conditions, locks, and the exact event.
 * Rows depend on earlier rows.
 */

import { assert, assertEquals, assertMatch, assertStrictEquals } from "../support/assert.ts";
import { sha256Hex } from "../../lib/base/hash.ts";
import { APPROVE, bearer, CLOSED, suite, type TestServer, TOKEN } from "../support/test_server.ts";
import { runScenarios, type Scenario } from "../support/scenario.ts";
import { Wire } from "../support/wire.ts";

const test = suite("PATCH /<world> edits worlds over HTTP", {
  env: { ...CLOSED, ELASTIK_MAX_BODY: "1000", ELASTIK_MAX_WORLD: "20000" },
});

const T2 = bearer(TOKEN);
const T3 = bearer(APPROVE);
const MERGE = { "content-type": "application/merge-patch+json" };
const PATCH = { "content-type": "application/json-patch+json" };
const EDITS = { "content-type": "application/json" };
const DIFF = { "content-type": "text/x-diff; charset=UTF-8" };
const FORMATS =
  "application/merge-patch+json, application/json-patch+json, application/json, text/x-diff";
const LIST = '{\n  "todo": ["a"],\n  "id": 12345678901234567890\n}\n';

const ROWS: readonly Scenario[] = [
  {
    title: "stores the world",
    send: "PUT /home/x.json",
    as: T2,
    headers: { "x-meta-author": "a", "x-meta-b": "1" },
    body: LIST,
    status: 201,
    changes: { "home/x.json": ["stage_written"] },
  },
  {
    title: "applies a merge patch, and its event has the whole metadata",
    send: "PATCH /home/x.json",
    as: T2,
    headers: { ...MERGE, "X-Meta-Author": "kestrel", "X-Meta-B": "", "X-Meta-C": "new" },
    body: '{"done":true}',
    status: 200,
    has: { etag: /^"2-[0-9a-f]{16}\.raw"$/, location: null, "content-type": "application/json" },
    text: '{"version":2,"ext":"json"}\n',
    changes: {
      "home/x.json": [["stage_written", {
        op: "patch",
        len: LIST.length + 16,
        ext: "json",
        version_after: 2,
        meta_headers: [["x-meta-author", "kestrel"], ["x-meta-c", "new"]],
        body_sha256_after: sha256Hex(LIST.replace("7890\n", '7890,\n  "done": true\n')),
        by: "T2",
      }]],
    },
  },
  {
    title: "shows the edited text and metadata",
    send: "GET /home/x.json?raw",
    as: T2,
    status: 200,
    has: { "x-meta-author": "kestrel", "x-meta-c": "new", "x-meta-b": null },
    text: LIST.replace("7890\n", '7890,\n  "done": true\n'),
  },
  {
    title: "applies a JSON patch",
    send: "PATCH /home/x.json",
    as: T2,
    headers: PATCH,
    body: '[{"op":"test","path":"/done","value":true},{"op":"add","path":"/todo/-","value":"b"}]',
    status: 200,
    changes: { "home/x.json": ["stage_written"] },
  },
  {
    title: "applies edits of a text",
    send: "PATCH /home/x.json",
    as: T2,
    headers: EDITS,
    body: '{"edits":[{"find":"true","replace":"false"}]}',
    status: 200,
    changes: { "home/x.json": ["stage_written"] },
  },
  {
    title: "applies a diff",
    send: "PATCH /home/x.json",
    as: T2,
    headers: DIFF,
    body:
      '@@ -2,3 +2,2 @@\n   "todo": ["a", "b"],\n-  "id": 12345678901234567890,\n   "done": false\n',
    status: 200,
    changes: { "home/x.json": ["stage_written"] },
  },
  {
    title: "has every edit",
    send: "GET /home/x.json?raw",
    as: T2,
    status: 200,
    text: '{\n  "todo": ["a", "b"],\n  "done": false\n}\n',
  },
  {
    title: "an edit that changes nothing makes no version and no event",
    send: "PATCH /home/x.json",
    as: T2,
    headers: { ...MERGE, "x-meta-c": "new" },
    body: '{"done":false}',
    status: 200,
    has: { etag: /^"5-/ },
    text: '{"version":5,"ext":"json"}\n',
  },
  {
    title: "metadata only makes a version",
    send: "PATCH /home/x.json",
    as: T2,
    headers: { ...MERGE, "x-meta-c": "newer" },
    body: "{}",
    status: 200,
    changes: { "home/x.json": ["stage_written"] },
  },
  {
    title: "names the operation that does not apply",
    send: "PATCH /home/x.json",
    as: T2,
    headers: { ...PATCH, accept: "application/json" },
    body: '[{"op":"test","path":"/done","value":false},{"op":"remove","path":"/none"}]',
    status: 409,
    json: {
      type: "/usr/share/doc/problems/patch-conflict.md",
      detail:
        'Cannot edit /home/x.json: edit 2 of 2 (remove "/none"): there is no member "none"; version 6 is current, nothing was changed',
    },
  },
  {
    title: "refuses a malformed edit",
    send: "PATCH /home/x.json",
    as: T2,
    headers: MERGE,
    body: "{",
    status: 400,
    json: { type: "/usr/share/doc/problems/bad-body.md" },
    text: /the body is not JSON: at line 1, column 2/,
  },
  {
    title: "refuses an empty body, which curl sends for a missing file",
    send: "PATCH /home/x.json",
    as: T2,
    headers: DIFF,
    body: "",
    status: 400,
  },
  {
    title: "refuses an unknown format and lists the known ones",
    send: "PATCH /home/x.json",
    as: T2,
    headers: { "content-type": "application/x-www-form-urlencoded" },
    body: "{}",
    status: 415,
    has: { "accept-patch": FORMATS },
    text: /the Content-Type is .*form-urlencoded.*; send one of application\/merge-patch\+json/,
  },
  {
    title: "refuses a body without a format",
    send: "PATCH /home/x.json",
    as: T2,
    body: "{}",
    status: 415,
    has: { "accept-patch": FORMATS },
    text: /no Content-Type was sent/,
  },
  {
    title: "refuses another charset",
    send: "PATCH /home/x.json",
    as: T2,
    headers: { "content-type": "text/x-diff; charset=latin1" },
    body: "{}",
    status: 415,
  },
  {
    title: "refuses encoded content",
    send: "PATCH /home/x.json",
    as: T2,
    headers: { ...MERGE, "content-encoding": "gzip" },
    body: "{}",
    status: 415,
    has: { "accept-encoding": "identity", "accept-patch": null },
  },
  {
    title: "does not create",
    send: "PATCH /home/none",
    as: T2,
    headers: MERGE,
    body: "{}",
    status: 404,
  },
  {
    title: "refuses a world that is not JSON",
    send: "PATCH /usr/share/doc/note.md",
    as: T3,
    headers: MERGE,
    body: "{}",
    status: 409,
    text: /the world is not JSON: at line 1, column 1/,
  },
  {
    title: "covers a world of the lower layer",
    send: "PATCH /usr/share/doc/note.md",
    as: T3,
    headers: EDITS,
    body: '{"append":"more\\n"}',
    status: 200,
    text: '{"version":1,"ext":"md"}\n',
    changes: {
      "usr/share/doc/note.md": ["stage_written"],
    },
  },
  {
    title: "has the bytes of the lower layer",
    send: "GET /usr/share/doc/note.md?raw",
    as: T3,
    status: 200,
    text: "# A note\nmore\n",
  },
  {
    title: "leaves a world of the lower layer that it does not change",
    send: "PATCH /usr/lib/shell/app.js",
    as: T3,
    headers: EDITS,
    body: '{"append":""}',
    status: 200,
    text: '{"version":0,"ext":"js"}\n',
  },
  {
    title: "requires a credential",
    send: "PATCH /home/x.json",
    headers: MERGE,
    body: "{}",
    status: 401,
  },
  {
    title: "requires T3 for /etc",
    send: "PATCH /etc/x",
    as: T2,
    headers: MERGE,
    body: "{}",
    status: 403,
  },
  {
    title: "compares If-Match",
    send: "PATCH /home/x.json",
    as: T2,
    headers: { ...MERGE, "if-match": '"5"' },
    body: '{"done":true}',
    status: 412,
  },
  {
    title: "applies with the current If-Match",
    send: "PATCH /home/x.json",
    as: T2,
    headers: { ...MERGE, "if-match": '"6"' },
    body: '{"done":true}',
    status: 200,
    changes: { "home/x.json": ["stage_written"] },
  },
  {
    title: "compares If-None-Match",
    send: "PATCH /home/x.json",
    as: T2,
    headers: { ...MERGE, "if-none-match": "*" },
    body: '{"done":true}',
    status: 412,
  },
  {
    title: "refuses metadata that does not fit",
    send: "PATCH /home/x.json",
    as: T2,
    headers: { ...MERGE, "x-meta-a": "é" },
    body: "{}",
    status: 400,
    json: { type: "/usr/share/doc/problems/bad-metadata.md" },
  },
  {
    title: "refuses query parameters",
    send: "PATCH /home/x.json?ext=md",
    as: T2,
    headers: MERGE,
    body: "{}",
    status: 400,
    json: { type: "/usr/share/doc/problems/bad-query.md" },
  },
  {
    title: "refuses a collection",
    send: "PATCH /home/c/",
    as: T2,
    headers: MERGE,
    body: "{}",
    status: 405,
    has: { allow: "GET, HEAD, OPTIONS" },
  },
  {
    title: "takes a body of the limit",
    send: "PATCH /home/x.json",
    as: T2,
    headers: EDITS,
    body: `{"append":"${"x".repeat(987)}"}`,
    status: 200,
    changes: { "home/x.json": ["stage_written"] },
  },
  {
    title: "refuses a body beyond the limit",
    send: "PATCH /home/x.json",
    as: T2,
    headers: EDITS,
    body: `{"append":"${"x".repeat(988)}"}`,
    status: 413,
  },
  {
    title: "refuses a result beyond the limit of worlds",
    send: "PATCH /home/x.json",
    as: T2,
    headers: EDITS,
    body: `{"edits":[{"find":"x","replace":"${"x".repeat(40)}","all":true}]}`,
    status: 413,
    text: /the world would have \d+ bytes; at most 20000 are allowed/,
  },
  {
    title: "lists the formats",
    send: "OPTIONS /home/x.json",
    as: T2,
    status: 204,
    has: { allow: /\bPATCH\b/, "accept-patch": FORMATS },
  },
  {
    title: "lists no formats for a collection",
    send: "OPTIONS /home/",
    as: T2,
    status: 204,
    has: { "accept-patch": null },
  },
];

test("each format, refusal and condition", async (server, t) => {
  await runScenarios(t, server, ROWS);
  await server.audit();
});

test("the source of a plugin becomes pending again", async (server, t) => {
  await runScenarios(t, server, [
    {
      title: "stores a source",
      send: "PUT /lib/p",
      as: T2,
      body:
        'export const routes = ["/p"]; export const description = "p"; export const auth = "T1";\n' +
        'export default { fetch() { return new Response("one"); } };\n',
      status: 201,
      changes: { "lib/p": ["stage_written"] },
    },
    {
      title: "activates it",
      send: "PUT /lib/p/state",
      as: T3,
      body: "active",
      status: 200,
      changes: { "lib/p": ["state_transition"] },
    },
    {
      title: "edits it",
      send: "PATCH /lib/p",
      as: T2,
      headers: EDITS,
      body: '{"edits":[{"find":"one","replace":"two"}]}',
      status: 200,
      changes: { "lib/p": ["stage_written", "state_transition"] },
    },
  ]);
  const { text } = await server.send({ method: "GET", target: "/lib/p", headers: T2 });
  assertStrictEquals(JSON.parse(text).state, "pending");
});

test("an edit of the list of revocations must leave a valid list", async (server) => {
  const edit = (body: string) =>
    server.send({ method: "PATCH", target: "/etc/revoked", headers: { ...T3, ...EDITS }, body });
  await server.approve("PUT", "/etc/revoked", "name:kestrel\n");
  assertStrictEquals((await edit('{"append":"name:\\n"}')).status, 422);
  assertStrictEquals((await edit('{"append":"name:junior\\n"}')).status, 200);
  const { text } = await server.approve("GET", "/etc/revoked?raw");
  assertStrictEquals(text, "name:kestrel\nname:junior\n");
});

test("a capability edits below its prefix with mode rw only", async (server) => {
  await server.approve("PUT", "/home/team/x", "a");
  await server.approve("PUT", "/home/other", "a");
  const send = (target: string, token: string) =>
    server.send({
      method: "PATCH",
      target,
      headers: { ...bearer(token), ...EDITS },
      body: '{"append":"b"}',
    });
  const writer = server.capability("/home/team", "rw");
  const reader = server.capability("/home/team", "r");
  assertStrictEquals((await send("/home/team/x", writer)).status, 200);
  assertStrictEquals((await send("/home/team/x", reader)).status, 403);
  assertStrictEquals((await send("/home/other", writer)).status, 403);
});

test("a lock of WebDAV refuses the edit without its token", async (server) => {
  await server.approve("PUT", "/home/locked", "a");
  const lock = await server.send({
    method: "LOCK",
    target: "/dav/home/locked",
    headers: { ...T2, "content-type": "application/xml" },
    body:
      '<lockinfo xmlns="DAV:"><lockscope><exclusive/></lockscope><locktype><write/></locktype></lockinfo>',
  });
  const token = lock.headers.get("lock-token") ?? "";
  const send = (more: Record<string, string>) =>
    server.send({
      method: "PATCH",
      target: "/home/locked",
      headers: { ...T2, ...EDITS, ...more },
      body: '{"append":"b"}',
    });
  assertStrictEquals((await send({})).status, 423);
  assertStrictEquals((await send({ if: `(${token})` })).status, 200);
});

test("PATCH loses no edit of 32 concurrent clients of one JSON world", async (server) => {
  const [clients, edits] = [32, 8];
  await server.approve("PUT", "/home/board.json", `{"done": {}, "log": []}\n`);
  const rounds = async (who: number): Promise<void> => {
    const wire = new Wire(server.port);
    try {
      for (let i = 0; i < edits; i++) {
        const isMerge = (who + i) % 2 === 0;
        const reply = await wire.send({
          method: "PATCH",
          target: "/home/board.json",
          headers: { ...T2, ...(isMerge ? MERGE : PATCH) },
          body: isMerge
            ? `{"done":{"${who}-${i}":1}}`
            : `[{"op":"add","path":"/done/${who}-${i}","value":1}]`,
        });
        assertStrictEquals(reply.status, 200, reply.text);
      }
    } finally {
      wire.close();
    }
  };
  await Promise.all(Array.from({ length: clients }, (_, who) => rounds(who)));
  const world = await server.approve("GET", "/home/board.json");
  const { stage_html: text, version } = JSON.parse(world.text);
  const expected = Array.from(
    { length: clients * edits },
    (_, i) => `${Math.floor(i / edits)}-${i % edits}`,
  );
  assertEquals(Object.keys(JSON.parse(text).done).sort(), expected.sort());
  assertStrictEquals(version, 1 + clients * edits);
  await server.audit();
});

test("each of two edits in one moment applies to the result of the other", async (server) => {
  await server.approve("PUT", "/home/ticks", "- [ ] a\n- [ ] b\n");
  const tick = (line: string) =>
    edit(server, "/home/ticks", `{"edits":[{"find":"- [ ] ${line}","replace":"- [x] ${line}"}]}`);
  const replies = await Promise.all([tick("a"), tick("b"), tick("a")]);
  assertEquals(replies.map(({ status }) => status).sort(), [200, 200, 409]);
  const { text } = await server.approve("GET", "/home/ticks?raw");
  assertStrictEquals(text, "- [x] a\n- [x] b\n");
});

function edit(server: TestServer, target: string, body: string) {
  return new Wire(server.port).send({
    method: "PATCH",
    target,
    headers: { ...T2, ...EDITS },
    body,
  });
}

test("a stream sends the edited world", async (server) => {
  await server.approve("PUT", "/home/s", "a");
  const { text } = await edit(server, "/home/s", '{"append":"b"}');
  assertMatch(text, /"version":2/);
  const log = JSON.parse((await server.approve("GET", "/proc/log/home/s")).text);
  assert(Array.isArray(log));
  assertStrictEquals(log[0].payload.op, "patch");
});
