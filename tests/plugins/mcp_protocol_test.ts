/** The plugin `mcp` over HTTP: malformed requests, sessions, limits, and a fuzz with a seed. */

import { assert, assertEquals, assertMatch } from "../support/assert.ts";
import { createRandom } from "../support/random.ts";
import { bearer, type TestServer } from "../support/test_server.ts";
import { putWorld } from "../support/plugin_server.ts";
import {
  beginSession,
  callTool,
  type Members,
  post,
  sendRpc,
  STATELESS,
  statelessRequest,
  T2,
  withMcp,
} from "./mcp/mcp_server.ts";

const PING = '{"jsonrpc":"2.0","id":1,"method":"ping"}';

async function malformed(server: TestServer): Promise<void> {
  const session = await beginSession(server, T2);
  const good = statelessRequest("tools/list");
  const rows: [
    body: string | Uint8Array,
    headers: Record<string, string>,
    status: number,
    code: number | undefined,
  ][] = [
    ["", {}, 400, -32700],
    ["{", {}, 400, -32700],
    ["[]", {}, 400, -32600],
    [`[${PING},${PING}]`, session, 400, -32600],
    ["[".repeat(100_000), {}, 400, -32600],
    ["null", {}, 400, -32600],
    ['{"jsonrpc":"2.0","id":null,"method":"ping"}', {}, 400, -32600],
    ['{"jsonrpc":"2.0","id":1,"method":"ping","params":[]}', {}, 400, -32600],
    [new Uint8Array([0xff, 0xfe, 0x7b]), {}, 400, -32700],
    [new TextEncoder().encode(`\ufeff${PING}`), session, 200, undefined],
    [notUtf8(PING.replace("1,", '"?",')), session, 400, -32700],
    [PING, { "mcp-protocol-version": "2024-11-05" }, 400, -32022],
    [PING, { "mcp-protocol-version": "nonsense" }, 400, -32022],
    [PING, { "mcp-protocol-version": STATELESS }, 400, -32602],
    [PING, { "mcp-session-id": "unknown" }, 404, -32600],
    [PING, { "mcp-session-id": `${session["mcp-session-id"]}x` }, 404, -32600],
    [PING, { ...session, ...bearer(server.capability("/home/a", "rw")) }, 404, -32600],
    ['{"jsonrpc":"2.0","id":1,"method":"initialize"}', {}, 200, -32602],
    ['{"jsonrpc":"2.0","id":1,"method":"prompts/list"}', session, 200, -32601],
    ['{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"x"}}', session, 200, -32602],
    ['{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{"cursor":"x"}}', {}, 200, -32602],
    ['{"jsonrpc":"2.0","id":1,"method":"resources/list","params":{"cursor":7}}', {}, 200, -32602],
    ['{"jsonrpc":"2.0","id":1,"method":"resources/read"}', {}, 200, -32602],
    [good.body, {}, 400, -32020],
    [good.body, { ...good.headers, "mcp-method": "tools/call" }, 400, -32020],
    [statelessRequest("ping").body, statelessRequest("ping").headers, 404, -32601],
    [PING, { "content-type": "text/plain" }, 415, undefined],
    [PING, { accept: "text/html" }, 406, undefined],
    [PING, { accept: "text/event-stream" }, 406, undefined],
  ];
  for (const [body, headers, status, code] of rows) {
    const reply = await post(server, T2, body, headers);
    const where = `${String(body).slice(0, 80)} ${JSON.stringify(headers)} ${reply.text}`;
    assertEquals(reply.status, status, where);
    if (reply.headers.get("content-type") !== "application/json") {
      assertEquals(code, undefined, where); // a problem of HTTP
      continue;
    }
    const { jsonrpc, error } = JSON.parse(reply.text);
    assertEquals([jsonrpc, error?.code], ["2.0", code], where);
  }
}

/** Replaces each `?` by a byte that is never part of UTF-8. */
function notUtf8(text: string): Uint8Array {
  return new TextEncoder().encode(text).map((byte) => byte === 0x3f ? 0xff : byte);
}

async function methods(server: TestServer): Promise<void> {
  const session = await beginSession(server, T2);
  const rows: [method: string, target: string, headers: Record<string, string>, status: number][] =
    [
      ["GET", "/mcp", { accept: "text/event-stream" }, 405],
      ["GET", "/mcp", { accept: "text/event-stream", "mcp-protocol-version": STATELESS }, 405],
      ["GET", "/mcp", { accept: "application/json", ...session }, 406],
      ["GET", "/mcp", { accept: "text/event-stream", "mcp-session-id": "x" }, 404],
      ["DELETE", "/mcp", {}, 405],
      ["DELETE", "/mcp", { "mcp-session-id": "x" }, 404],
      ["PUT", "/mcp", {}, 405],
      ["PATCH", "/mcp", {}, 405],
      ["OPTIONS", "/mcp", {}, 204],
      ["GET", "/mcp/x", { accept: "text/event-stream", ...session }, 404],
      ["POST", "/mcp/", {}, 404],
      ["POST", "/mcp/sse", {}, 404],
      ["POST", "/mcp?session=1", {}, 400],
      [
        "GET",
        "/mcp",
        { accept: "text/event-stream", ...session, origin: "http://evil.example" },
        403,
      ],
      ["GET", "/mcp", { accept: "text/event-stream", ...session, origin: "null" }, 403],
      ["DELETE", "/mcp", session, 204],
      ["DELETE", "/mcp", session, 404],
    ];
  for (const [method, target, headers, status] of rows) {
    const reply = await server.send({ method, target, headers: { ...T2, ...headers } });
    assertEquals(
      reply.status,
      status,
      `${method} ${target} ${JSON.stringify(headers)} ${reply.text}`,
    );
    if (status === 405) assertMatch(reply.headers.get("allow") ?? "", /POST/);
  }
}

/** The core refuses pages of other sites and foreign Host names; the plugin never sees them. */
async function foreignPages(server: TestServer): Promise<void> {
  const rows: [headers: Record<string, string>, status: number][] = [
    [{ origin: "http://evil.example" }, 403],
    [{ origin: "null" }, 403],
    [{ origin: `http://127.0.0.1:${server.port + 1}` }, 403],
    [{ "sec-fetch-site": "cross-site" }, 403],
    [{ origin: `http://127.0.0.1:${server.port}` }, 200],
    [{}, 200],
  ];
  for (const [headers, status] of rows) {
    const reply = await post(server, T2, PING, headers);
    assertEquals(reply.status, status, `${JSON.stringify(headers)} ${reply.text}`);
    for (const name of reply.headers.keys()) assert(!name.startsWith("access-control"), name);
  }
}

async function sessions(server: TestServer): Promise<void> {
  const rw = bearer(server.capability("/home/a", "rw"));
  const other = bearer(server.capability("/home/a", "rw", 700));
  for (const version of ["2025-06-18", "2025-11-25"]) {
    const session = await beginSession(server, rw, version);
    const own = await sendRpc(server, rw, "ping", {}, session);
    assertEquals(own, { jsonrpc: "2.0", id: 1, result: {} });
    for (const as of [other, T2, {}]) {
      const reply = await post(server, as, PING, session);
      assertEquals(reply.status, 404, reply.text);
    }
    // A client that sends no header, or none of its requests in a session, is served too.
    assertEquals((await post(server, rw, PING, {})).status, 200);
    const note = '{"jsonrpc":"2.0","method":"notifications/initialized"}';
    const accepted = await post(server, rw, note, session);
    assertEquals([accepted.status, accepted.text], [202, ""]);
    // A session records the name of its client.
    const params = { name: "write", arguments: { path: `/home/a/${version}`, content: "x" } };
    await sendRpc(server, rw, "tools/call", params, session);
    const { headers } = await server.approve("HEAD", `/home/a/${version}`);
    assertEquals(headers.get("x-meta-mcp-client"), "raw session");
  }
}

async function discover(server: TestServer): Promise<void> {
  const { body, headers } = statelessRequest("server/discover", {}, "d");
  const { id, result } = JSON.parse((await post(server, {}, body, headers)).text);
  assertEquals([id, result.supportedVersions, result.capabilities], [
    "d",
    ["2026-07-28", "2025-11-25", "2025-06-18"],
    { tools: {}, resources: { subscribe: true, listChanged: true } },
  ]);
}

/** The plugin survives whatever a client sends, and no message gets 500. */
async function fuzz(server: TestServer): Promise<void> {
  const seed = 20260728;
  const random = createRandom(seed);
  const pick = <T>(items: readonly T[]): T => {
    const item = items[Math.floor(random() * items.length)];
    if (item === undefined) throw new Error("nothing to pick from");
    return item;
  };
  const value = (depth: number): unknown =>
    depth === 0 || random() < 0.5
      ? pick([null, true, 0, -1, 1e308, "", "x", "/home/a/x", "../..", "\u0000", "__proto__"])
      : random() < 0.5
      ? Array.from({ length: 3 }, () => value(depth - 1))
      : Object.fromEntries(
        Array.from({ length: 3 }, () => [
          pick([
            "name",
            "arguments",
            "path",
            "uri",
            "edits",
            "_meta",
            "cursor",
            "notifications",
            "version",
          ]),
          value(depth - 1),
        ]),
      );
  const names = ["read", "list", "search", "write", "append", "edit", "history", "restore", "move"];
  const allowed = new Set([200, 202, 400, 404, 406, 415]);
  for (let turn = 0; turn < 400; turn++) {
    const method = pick([
      "tools/call",
      "tools/list",
      "resources/read",
      "resources/list",
      "initialize",
      "x",
    ]);
    const params: unknown = random() < 0.6
      ? { name: pick(names), uri: "elastik:///home/a/x", arguments: value(3), _meta: value(1) }
      : value(4);
    const message: Members = { jsonrpc: "2.0", id: pick([1, "a", null, 1.5]), method, params };
    let body = JSON.stringify(message);
    if (random() < 0.2) body = body.slice(0, Math.floor(random() * body.length));
    const headers = random() < 0.5 ? {} : {
      "mcp-protocol-version": pick([STATELESS, "2025-11-25", "x"]),
      "mcp-method": pick([method, "x"]),
      "mcp-session-id": pick(["", "x", "a.b"]),
    };
    const reply = await post(server, T2, body, headers);
    assert(
      allowed.has(reply.status),
      `seed ${seed} turn ${turn}: ${reply.status} ${body} ${reply.text}`,
    );
    if (reply.text !== "") JSON.parse(reply.text);
  }
  assertEquals((await callTool(server, T2, "list", { prefix: "/" })).isError, false);
}

/** Results never contain more than the limits of the tools, whatever the worlds contain. */
async function longContent(server: TestServer): Promise<void> {
  await putWorld(server, "/home/a/long", "line\n".repeat(200_000));
  const { texts, structured } = await callTool(server, T2, "read", { path: "/home/a/long" });
  assertEquals([structured["truncated"], structured["lines"]], [true, "1-13107"]);
  assert((texts[1] ?? "").length <= 65_536);
  const next = await callTool(server, T2, "read", {
    path: "/home/a/long",
    lines: String(structured["next"]),
  });
  assertEquals(next.structured["lines"], "13108-26214");
  const { error }: Members = await sendRpc(server, T2, "resources/read", {
    uri: "elastik:///home/a/long",
  });
  assertEquals(error, undefined);
}

Deno.test("mcp over HTTP", async (t) => {
  await withMcp(async (server) => {
    const steps: [title: string, run: (server: TestServer) => Promise<void>][] = [
      ["a malformed message gets its status and error code", malformed],
      ["only POST, and GET and DELETE of a session, are served", methods],
      ["a page of another site is refused", foreignPages],
      ["a session belongs to the credential with which it began", sessions],
      ["server/discover needs no credential", discover],
      ["a long text is cut, and can be read on", longContent],
      ["random messages get a status of the protocol", fuzz],
    ];
    for (const [title, run] of steps) await t.step(title, () => run(server));
    await server.audit();
  });
});
