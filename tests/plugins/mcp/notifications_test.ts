import { assertEquals, assertStrictEquals } from "../../support/assert.ts";
import { listenEvents, sessionEvents } from "../../../plugins/mcp/notifications.ts";
import type { SessionStream, Subscriptions } from "../../../plugins/mcp/sessions.ts";
import { FakeServer, problem, untilAborted } from "./fake_server.ts";

const PREFIX = { name: "home", isCollection: true };
const KEY = "io.modelcontextprotocol/subscriptionId";

/** The JSON of an event; the text of a comment. */
function parse(event: string): Record<string, unknown> | string {
  const data = /^data: (.+)$/m.exec(event)?.[1];
  return data === undefined ? event : JSON.parse(data);
}

/** A server with a list of changes: pages of names. Further requests wait. */
function serveChanges(pages: readonly (readonly string[])[]): FakeServer {
  const server = new FakeServer();
  server.answer = ({ path }, signal) => {
    const query = new URLSearchParams(path.slice(path.indexOf("?")));
    const at = query.get("after") === "now" ? 0 : Number(query.get("after"));
    const page = pages[at];
    if (page === undefined) {
      return query.get("wait") === "0"
        ? Response.json({ changes: [], cursor: `${at}` })
        : untilAborted(signal);
    }
    const changes = page.map((name) => ({ name, id: 2, type: "stage_written", payload: {} }));
    return Response.json({ changes, cursor: `${at + 1}` });
  };
  return server;
}

Deno.test("listenEvents() acknowledges first, then reports each changed world once per page", async () => {
  const server = serveChanges([["home/a", "home/b", "home/a"], ["home/a"], [], ["home/c"]]);
  const uris = new Map([["home/a", "elastik:///home/a"], ["home/c", "elastik:///home/c"]]);
  const listening = { id: "l1", uris, isListWanted: false, prefix: PREFIX, cursor: "0" };
  const events = listenEvents(listening, server.caller);
  const found: unknown[] = [];
  while (found.length < 4) found.push(parse((await events.next()).value ?? ""));
  const updated = (uri: string) => ({
    jsonrpc: "2.0",
    method: "notifications/resources/updated",
    params: { _meta: { [KEY]: "l1" }, uri },
  });
  assertEquals(found, [
    {
      jsonrpc: "2.0",
      method: "notifications/subscriptions/acknowledged",
      params: {
        _meta: { [KEY]: "l1" },
        notifications: { resourceSubscriptions: ["elastik:///home/a", "elastik:///home/c"] },
      },
    },
    updated("elastik:///home/a"),
    ": \n\n",
    updated("elastik:///home/c"),
  ]);
  const end = events.next();
  server.stop.abort();
  assertEquals(await end, { value: undefined, done: true });
});

Deno.test("listenEvents() reports changes of the list only if they were asked for", async () => {
  for (const isListWanted of [true, false]) {
    const server = new FakeServer();
    server.answer = ({ path }, signal) =>
      path.includes("after=0")
        ? Response.json({
          changes: [{ name: "home/n", id: 1, type: "stage_written" }],
          cursor: "1",
        })
        : path.includes("wait=0")
        ? Response.json({ changes: [], cursor: "1" })
        : untilAborted(signal);
    const uris = new Map<string, string>([["home/n", "elastik:///home/n"]]);
    const listening = { id: 1, uris, isListWanted, prefix: PREFIX, cursor: "0" };
    const events = listenEvents(listening, server.caller);
    await events.next();
    await events.next();
    const next = events.next();
    if (!isListWanted) server.stop.abort();
    const { value } = await next;
    assertEquals(
      value?.includes("notifications/resources/list_changed"),
      isListWanted || undefined,
    );
    server.stop.abort();
  }
});

Deno.test("listenEvents() reports every subscription if the position was lost", async () => {
  const server = new FakeServer();
  server.answer = ({ path }, signal) =>
    path.includes("after=0")
      ? problem(410, "gone")
      : path.includes("after=now")
      ? Response.json({ changes: [], cursor: "9" })
      : untilAborted(signal);
  const uris = new Map([["home/a", "A"], ["home/b", "B"]]);
  const listening = { id: 1, uris, isListWanted: true, prefix: PREFIX, cursor: "0" };
  const events = listenEvents(listening, server.caller);
  const found: string[] = [];
  while (found.length < 4) found.push((await events.next()).value ?? "");
  assertEquals(found.slice(1).map((event) => /(?:"uri":"(.)"|list_changed)/.exec(event)?.[0]), [
    '"uri":"A"',
    '"uri":"B"',
    "list_changed",
  ]);
  server.stop.abort();
});

Deno.test("listenEvents() ends with a result if the caller may not read the changes any more", async () => {
  const server = new FakeServer();
  server.answer = () => problem(401, "the credential has expired");
  const uris = new Map([["home/a", "A"]]);
  const listening = { id: 7, uris, isListWanted: false, prefix: PREFIX, cursor: "0" };
  const events = listenEvents(listening, server.caller);
  await events.next();
  const { value } = await events.next();
  assertEquals(parse(value ?? ""), {
    jsonrpc: "2.0",
    id: 7,
    result: {
      resultType: "complete",
      _meta: {
        [KEY]: 7,
        "io.modelcontextprotocol/serverInfo": {
          name: "elastik",
          title: "elastik",
          version: "1.0.0",
        },
      },
    },
  });
  assertStrictEquals((await events.next()).done, true);
});

Deno.test("listenEvents() asks the server for nothing if nothing is watched", async () => {
  const server = new FakeServer();
  const events = listenEvents(
    { id: 1, uris: new Map(), isListWanted: false, prefix: PREFIX },
    server.caller,
  );
  assertEquals(parse((await events.next()).value ?? ""), {
    jsonrpc: "2.0",
    method: "notifications/subscriptions/acknowledged",
    params: { _meta: { [KEY]: 1 }, notifications: {} },
  });
  const next = events.next();
  server.stop.abort();
  await next;
  assertEquals(server.lines, []);
});

function newSession(): { kept: Subscriptions; stream: SessionStream } {
  const stream = { wake: () => {}, close: () => {} };
  return { kept: { uris: new Map(), usedAt: 0, owner: "T2", stream }, stream };
}

Deno.test("sessionEvents() gives the last event of a page the position as its id", async () => {
  const server = serveChanges([["home/a", "home/b"], []]);
  const { kept, stream } = newSession();
  kept.cursor = "0";
  for (const name of ["a", "b"]) kept.uris.set(`home/${name}`, `elastik:///home/${name}`);
  const events = sessionEvents(kept, stream, server.caller, null, false);
  const first = (await events.next()).value ?? "";
  const second = (await events.next()).value ?? "";
  assertEquals([/^id: .*$/m.exec(first)?.[0], /^id: .*$/m.exec(second)?.[0]], [undefined, "id: 2"]);
  const end = events.next();
  assertStrictEquals(kept.cursor, "2");
  server.stop.abort();
  await end;
});

Deno.test("sessionEvents() continues at Last-Event-ID, and ignores one that cannot be a position", async () => {
  const rows: [lastEventId: string | null, after: string][] = [
    ["5", "5"],
    [null, "3"],
    ["a b", "3"],
    ["", "3"],
    ["x".repeat(257), "3"],
  ];
  for (const [lastEventId, after] of rows) {
    const server = new FakeServer();
    server.answer = (_, signal) => untilAborted(signal);
    const { kept, stream } = newSession();
    kept.cursor = "3";
    kept.uris.set("home/a", "A");
    const events = sessionEvents(kept, stream, server.caller, lastEventId, true);
    assertEquals((await events.next()).value, `id: ${after}\ndata: \n\n`);
    const next = events.next();
    server.stop.abort();
    await next;
    assertEquals(server.lines, [`GET /proc/changes/home/?after=${after}&wait=20&limit=1000`]);
  }
});

Deno.test("sessionEvents() asks the server for nothing before there is a subscription", async () => {
  const server = serveChanges([["home/a"]]);
  const { kept, stream } = newSession();
  const events = sessionEvents(kept, stream, server.caller, null, true);
  const next = events.next();
  await Promise.resolve();
  assertEquals(server.lines, []);
  kept.cursor = "0";
  kept.uris.set("home/a", "A");
  stream.wake();
  assertEquals(/"uri":"A"/.test((await next).value ?? ""), true);
  server.stop.abort();
});

Deno.test("sessionEvents() ends if the server refuses the changes", async () => {
  const server = new FakeServer();
  server.answer = () => problem(403, "no");
  const { kept, stream } = newSession();
  kept.cursor = "0";
  kept.uris.set("home/a", "A");
  const events = sessionEvents(kept, stream, server.caller, null, false);
  assertStrictEquals((await events.next()).done, true);
});
