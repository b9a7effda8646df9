import { assert, assertEquals, assertRejects, assertStrictEquals } from "../../support/assert.ts";
import { EventReader } from "../../support/event_reader.ts";
import type { PluginCaller } from "../../../plugins/kit/env.ts";
import { McpEndpoint } from "../../../plugins/mcp/endpoint.ts";
import {
  MAX_CALLS_PER_CALLER,
  MAX_HELD_BYTES,
  MAX_HELD_BYTES_PER_CALLER,
  MAX_MESSAGE_BYTES,
  MAX_STREAMS_PER_CALLER,
  MAX_SUBSCRIPTIONS,
} from "../../../plugins/mcp/limits.ts";
import { FakeServer, problem, untilAborted } from "./fake_server.ts";
import { type Members, statelessRequest } from "./mcp_server.ts";

const READ = { name: "read", arguments: { path: "/home/x" } };
const INITIALIZE = {
  protocolVersion: "2025-11-25",
  capabilities: {},
  clientInfo: { name: "probe", version: "1" },
};

/** An endpoint with a server behind it. */
class Fixture {
  readonly server = new FakeServer();
  readonly endpoint = new McpEndpoint(() => 1_000_000);
  readonly stop = new AbortController();
  caller: PluginCaller = { tier: "T2", by: "T2", fetch: this.server.fetch };

  send(message: Members | string, headers: Record<string, string> = {}): Promise<Response> {
    const body = typeof message === "string"
      ? message
      : JSON.stringify({ jsonrpc: "2.0", ...message });
    return this.endpoint.post(
      new Request("http://machine/mcp", {
        method: "POST",
        headers: { "content-type": "application/json", ...headers },
        body,
        signal: this.stop.signal,
      }),
      this.caller,
    );
  }

  /** Begins a session; returns the headers of its requests. */
  async begin(): Promise<Record<string, string>> {
    const response = await this.send({ id: 0, method: "initialize", params: INITIALIZE });
    await response.body?.cancel();
    return { "mcp-session-id": response.headers.get("mcp-session-id") ?? "" };
  }

  stream(headers: Record<string, string>): Promise<Response> {
    const init = { headers, signal: this.stop.signal };
    return this.endpoint.openStream(new Request("http://machine/mcp", init), this.caller);
  }
}

Deno.test("post() accepts application/json only", async () => {
  const fixture = new Fixture();
  const text = JSON.stringify({ jsonrpc: "2.0", id: 1, method: "ping" });
  const rows: [type: string, isAccepted: boolean][] = [
    ["application/json", true],
    ["application/json; charset=utf-8", true],
    ["Application/JSON", true],
    ["text/plain", false],
    ["application/json-patch+json", false],
    ["application/x-www-form-urlencoded", false],
    ["", false],
  ];
  for (const [type, isAccepted] of rows) {
    const sent = fixture.send(text, { "content-type": type });
    if (isAccepted) assertEquals(await (await sent).json(), { jsonrpc: "2.0", id: 1, result: {} });
    else await assertRejects(sent, { name: "Problem", status: 415 }, type);
  }
});

Deno.test("post() reads a message at the limit and refuses a longer one", async () => {
  const fixture = new Fixture();
  const text = (length: number): string => {
    const message = '{"jsonrpc":"2.0","id":1,"method":"ping","params":{"x":""}}';
    return message.replace('""', `"${"x".repeat(length - message.length)}"`);
  };
  assertStrictEquals((await fixture.send(text(MAX_MESSAGE_BYTES))).status, 200);
  await assertRejects(fixture.send(text(MAX_MESSAGE_BYTES + 1)), { name: "Problem", status: 413 });
});

/** A request that waits until it is aborted, and is as long as a message can be. */
function longRequest(): { body: string; headers: Record<string, string> } {
  const { body, headers } = statelessRequest("tools/call", READ);
  const padding = "x".repeat(MAX_MESSAGE_BYTES - 1000);
  return { body: body.replace('"jsonrpc"', `"padding":"${padding}","jsonrpc"`), headers };
}

Deno.test("post() refuses messages beyond the limit of all messages in memory", async () => {
  const fixture = new Fixture();
  fixture.server.answer = (_, signal) => untilAborted(signal);
  const { body, headers } = longRequest();
  const held: Promise<Response>[] = [];
  for (let i = 0; i < MAX_HELD_BYTES / MAX_MESSAGE_BYTES; i++) {
    fixture.caller = { ...fixture.caller, by: `user:${i >> 1}` };
    held.push(fixture.send(body, headers));
  }
  while (fixture.server.requests.length < held.length) await new Promise(setImmediate);
  fixture.caller = { ...fixture.caller, by: "T2" };
  await assertRejects(fixture.send(body, headers), { name: "Problem", status: 503 });
  fixture.stop.abort();
  await Promise.all(held);
  const last = new Fixture();
  assertStrictEquals((await last.send(body, headers)).status, 200);
});

Deno.test("post() leaves a part of the memory for messages of other callers", async () => {
  const fixture = new Fixture();
  fixture.server.answer = (_, signal) => untilAborted(signal);
  const { body, headers } = longRequest();
  const held: Promise<Response>[] = [];
  for (let i = 0; i < MAX_HELD_BYTES_PER_CALLER / MAX_MESSAGE_BYTES; i++) {
    held.push(fixture.send(body, headers));
  }
  while (fixture.server.requests.length < held.length) await new Promise(setImmediate);
  await assertRejects(fixture.send(body, headers), { name: "Problem", status: 429 });
  fixture.caller = { ...fixture.caller, by: "user:ada" };
  held.push(fixture.send(body, headers));
  while (fixture.server.requests.length < held.length) await new Promise(setImmediate);
  fixture.stop.abort();
  for (const response of await Promise.all(held)) await response.body?.cancel();
});

Deno.test("a capability shares its limits with everything that is narrowed from it", async () => {
  const fixture = new Fixture();
  let names = 0;
  const asNarrowed = (): void => {
    fixture.caller = { ...fixture.caller, by: `cap:/home/a#kestrel/${++names}` };
  };
  fixture.server.answer = ({ path }, signal) =>
    path === "/auth/whoami"
      ? Response.json({ id: "1700-a", prefix: "/home/a", mode: "rw", exp: names })
      : untilAborted(signal);
  const streams: Response[] = [];
  for (let i = 0; i < MAX_STREAMS_PER_CALLER; i++) {
    asNarrowed();
    streams.push(await fixture.stream(await fixture.begin()));
  }
  asNarrowed();
  await assertRejects(fixture.stream(await fixture.begin()), { name: "Problem", status: 429 });
  const { body, headers } = statelessRequest("tools/call", READ);
  const open: Promise<Response>[] = [];
  for (let i = 0; i < MAX_CALLS_PER_CALLER; i++) {
    asNarrowed();
    open.push(fixture.send(body, headers));
  }
  asNarrowed();
  await assertRejects(fixture.send(body, headers), { name: "Problem", status: 429 });
  fixture.caller = { ...fixture.caller, by: "T3" };
  const other = fixture.send(body, headers);
  fixture.stop.abort();
  for (const response of [...streams, ...await Promise.all([...open, other])]) {
    await response.body?.cancel();
  }
});

Deno.test("a caller whom the server does not identify gets 503, and holds nothing", async () => {
  const fixture = new Fixture();
  fixture.caller = { ...fixture.caller, by: "cap:/home/a" };
  fixture.server.answer = () => problem(429, "too many", { "retry-after": "7" });
  await assertRejects(fixture.send({ id: 1, method: "ping" }), {
    name: "Problem",
    status: 503,
    headers: { "retry-after": "7" },
  });
});

Deno.test("post() allows each caller as many requests in progress as the limit", async () => {
  const fixture = new Fixture();
  fixture.server.answer = (_, signal) => untilAborted(signal);
  const { body, headers } = statelessRequest("tools/call", READ);
  const open = Array.from({ length: MAX_CALLS_PER_CALLER }, () => fixture.send(body, headers));
  await assertRejects(fixture.send(body, headers), {
    name: "Problem",
    status: 429,
    headers: { "retry-after": "1" },
  });
  fixture.caller = { ...fixture.caller, by: "T3", tier: "T3" };
  const other = fixture.send(body, headers);
  fixture.stop.abort();
  for (const response of await Promise.all([...open, other])) {
    assertEquals(await response.text(), "");
  }
});

Deno.test("post() answers a request that is cancelled with an empty stream", async () => {
  const fixture = new Fixture();
  const headers = await fixture.begin();
  let isAborted = false;
  fixture.server.answer = (_, signal) =>
    untilAborted(signal).catch((error) => {
      isAborted = true;
      throw error;
    });
  const call = fixture.send({ id: "c", method: "tools/call", params: READ }, headers);
  while (fixture.server.requests.length === 0) await new Promise(setImmediate);
  const repeated = await fixture.send({ id: "c", method: "ping" }, headers);
  assertStrictEquals(repeated.status, 400);
  const cancel = (requestId: unknown, more: Record<string, string>) =>
    fixture.send({ method: "notifications/cancelled", params: { requestId } }, more);
  // Only the session of the request can cancel it.
  for (const other of [await fixture.begin(), {}]) {
    assertStrictEquals((await cancel("c", other)).status, 202);
  }
  for (const id of ["d", 1, null, {}]) assertStrictEquals((await cancel(id, headers)).status, 202);
  assertStrictEquals(isAborted, false);
  assertStrictEquals((await cancel("c", headers)).status, 202);
  const response = await call;
  assertEquals([response.status, await response.text(), isAborted], [200, "", true]);
  assertEquals(response.headers.get("content-type"), "text/event-stream");
});

Deno.test("post() binds a session to the capability with which it began", async () => {
  const fixture = new Fixture();
  const whoami = { id: "1700-a", prefix: "/home/a", mode: "rw", exp: 9 };
  fixture.server.answer = () => Response.json(whoami);
  fixture.caller = { ...fixture.caller, tier: "T2", by: "cap:/home/a" };
  const headers = await fixture.begin();
  const ping = async () => (await fixture.send({ id: 1, method: "ping" }, headers)).status;
  assertStrictEquals(await ping(), 200);
  // Another capability over the same prefix has the same name in the logs.
  fixture.server.answer = () => Response.json({ ...whoami, id: "1701-b" });
  assertStrictEquals(await ping(), 404);
  fixture.server.answer = () => Response.json({ ...whoami, mode: "r" });
  assertStrictEquals(await ping(), 404);
  fixture.server.answer = () => Response.json(whoami);
  assertStrictEquals(await ping(), 200);
  fixture.caller = { ...fixture.caller, by: "T2" };
  assertStrictEquals(await ping(), 404);
});

Deno.test("endSession() ends a session once", async () => {
  const fixture = new Fixture();
  const headers = await fixture.begin();
  const end = (more: Record<string, string>) =>
    fixture.endpoint.endSession(
      new Request("http://machine/mcp", { headers: more }),
      fixture.caller,
    );
  const stream = await fixture.stream(headers);
  assertStrictEquals((await end(headers)).status, 204);
  assertEquals(await stream.text(), "");
  await assertRejects(end(headers), { name: "Problem", status: 404 });
  assertStrictEquals((await fixture.send({ id: 1, method: "ping" }, headers)).status, 404);
  await assertRejects(end({}), { name: "Problem", status: 405 });
  const stateless = { ...headers, "mcp-protocol-version": "2026-07-28" };
  await assertRejects(end(stateless), { name: "Problem", status: 405 });
});

Deno.test("openStream() needs a session, and replaces its stream", async () => {
  const fixture = new Fixture();
  const headers = await fixture.begin();
  await assertRejects(fixture.stream({}), { name: "Problem", status: 405 });
  await assertRejects(fixture.stream({ "mcp-session-id": "x" }), { name: "Problem", status: 404 });
  const stateless = { ...headers, "mcp-protocol-version": "2026-07-28" };
  await assertRejects(fixture.stream(stateless), { name: "Problem", status: 405 });
  // A session of an earlier process: its subscriptions are not known any more.
  const other = new Fixture();
  await assertRejects(other.stream(headers), { name: "Problem", status: 404 });
  for (let i = 0; i < MAX_STREAMS_PER_CALLER * 2; i++) {
    const first = await fixture.stream(headers);
    const second = await fixture.stream(headers);
    assertEquals(await first.text(), "");
    await second.body?.cancel();
  }
});

Deno.test("openStream() keeps a session whose stream was replaced before it subscribed", async () => {
  const fixture = new Fixture();
  const headers = await fixture.begin();
  await fixture.stream(headers);
  const second = await fixture.stream(headers);
  let asked = 0;
  fixture.server.answer = ({ path }, signal) => {
    if (path.startsWith("/home/")) return new Response(null);
    if (path.includes("after=now")) return Response.json({ changes: [], cursor: "1" });
    const changes = asked++ === 0 ? [{ name: "home/a", id: 2, type: "stage_written" }] : [];
    return asked > 2 ? untilAborted(signal) : Response.json({ changes, cursor: "2" });
  };
  const params = { uri: "elastik:///home/a" };
  const subscribed = await fixture.send({ id: 1, method: "resources/subscribe", params }, headers);
  assertEquals((await subscribed.json()).result, {});
  const reader = new EventReader(second, new AbortController());
  assertEquals((await reader.next())?.data, ""); // its id is the position
  assertEquals(JSON.parse((await reader.next())?.data ?? "").params, params);
  await reader.close();
});

Deno.test("openStream() refuses streams beyond the limit of the caller", async () => {
  const fixture = new Fixture();
  const streams: Response[] = [];
  for (let i = 0; i < MAX_STREAMS_PER_CALLER; i++) {
    streams.push(await fixture.stream(await fixture.begin()));
  }
  await assertRejects(fixture.stream(await fixture.begin()), { name: "Problem", status: 429 });
  await streams.pop()?.body?.cancel();
  streams.push(await fixture.stream(await fixture.begin()));
  for (const stream of streams) await stream.body?.cancel();
});

Deno.test("post() of subscriptions/listen acknowledges what can be a world", async () => {
  const fixture = new Fixture();
  fixture.server.answer = ({ path }, signal) =>
    path.includes("after=now") ? Response.json({ changes: [], cursor: "1" }) : untilAborted(signal);
  const listen = (notifications: unknown, more: Record<string, string> = {}) => {
    const { body, headers } = statelessRequest("subscriptions/listen", { notifications }, "s");
    return fixture.send(body, { ...headers, ...more });
  };
  const filter = {
    toolsListChanged: true,
    resourceSubscriptions: [
      "elastik:///home/a/x",
      7,
      "http://x/",
      "elastik:///home/a/",
      "elastik:///home/b",
    ],
  };
  const reader = new EventReader(await listen(filter), new AbortController());
  assertEquals(JSON.parse((await reader.next())?.data ?? ""), {
    jsonrpc: "2.0",
    method: "notifications/subscriptions/acknowledged",
    params: {
      _meta: { "io.modelcontextprotocol/subscriptionId": "s" },
      notifications: { resourceSubscriptions: ["elastik:///home/a/x", "elastik:///home/b"] },
    },
  });
  await reader.close();
  assert(fixture.server.lines[0]?.startsWith("GET /proc/changes/home/?after=now"));
  const uris = (count: number) => Array.from({ length: count }, (_, i) => `elastik:///home/${i}`);
  const full = await listen({ resourceSubscriptions: uris(MAX_SUBSCRIPTIONS) });
  assertEquals(full.headers.get("content-type"), "text/event-stream");
  await full.body?.cancel();
  for (
    const bad of [undefined, [], { resourceSubscriptions: "x" }, {
      resourceSubscriptions: uris(MAX_SUBSCRIPTIONS + 1),
    }]
  ) {
    const { error } = await (await listen(bad)).json();
    assertEquals(error.code, -32602);
  }
  const accept = { accept: "application/json" };
  await assertRejects(listen({}, accept), { name: "Problem", status: 406 });
});

Deno.test("post() takes responses of a client with a session, and refuses those of others", async () => {
  const fixture = new Fixture();
  assertStrictEquals((await fixture.send({ id: 1, result: {} })).status, 202);
  const stateless = { "mcp-protocol-version": "2026-07-28" };
  assertStrictEquals((await fixture.send({ id: 1, result: {} }, stateless)).status, 400);
});
