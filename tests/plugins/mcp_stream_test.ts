/** Streams of the plugin `mcp` over HTTP: subscriptions, resumption, and the end of a credential. */

import { assert, assertEquals, assertMatch } from "../support/assert.ts";
import { EventReader } from "../support/event_reader.ts";
import {
  ResourceUpdatedNotificationSchema,
  SessionClient,
  SessionTransport,
  StatelessClient,
  StatelessTransport,
} from "../support/mcp_client.ts";
import { eventually } from "../plugin/plugin_test_server.ts";
import { putWorld } from "../support/plugin_server.ts";
import { bearer, type TestServer } from "../support/test_server.ts";
import {
  type As,
  beginSession,
  callTool,
  endpointUrl,
  type Members,
  sendRpc,
  STATELESS,
  statelessRequest,
  T2,
  withMcp,
} from "./mcp/mcp_server.ts";

/** Opens the stream of a session. */
function openStream(
  server: TestServer,
  as: As,
  session: Record<string, string>,
  lastEventId?: string,
): Promise<EventReader> {
  return EventReader.open(endpointUrl(server).href, {
    ...as,
    ...session,
    ...(lastEventId !== undefined && { "last-event-id": lastEventId }),
  });
}

/** Sends `subscriptions/listen`. */
async function listen(server: TestServer, as: As, notifications: Members): Promise<EventReader> {
  const { body, headers } = statelessRequest("subscriptions/listen", { notifications }, "l");
  const abort = new AbortController();
  const response = await fetch(endpointUrl(server), {
    method: "POST",
    body,
    headers: {
      ...as,
      ...headers,
      accept: "application/json, text/event-stream",
      "content-type": "application/json",
    },
    signal: abort.signal,
  });
  return new EventReader(response, abort);
}

/** The URIs of the next notifications. */
async function nextUris(stream: EventReader, count: number): Promise<unknown[]> {
  const uris: unknown[] = [];
  while (uris.length < count) {
    const event = await stream.next();
    if (event === undefined) break;
    if (event.data === "") continue; // the first event of a stream has only an id
    const { method, params } = JSON.parse(event.data);
    assertEquals(method, "notifications/resources/updated");
    uris.push(params.uri);
  }
  return uris;
}

/**
 * Waits until the index of changes, which follows the writes a moment later, has those below a folder. A
 * stream begins at its end, and must not report an earlier change.
 */
async function untilIndexed(server: TestServer, folder: string): Promise<void> {
  await eventually(async () => {
    const { status, text } = await server.approve("GET", `/proc/changes${folder}`);
    return status === 200 && text.includes(folder.slice(1)) ? true : undefined;
  }, `the changes below ${folder} are in the index`);
}

async function sessionStream(server: TestServer): Promise<void> {
  await putWorld(server, "/home/s/a", "1");
  await putWorld(server, "/home/s/b%20c", "1");
  await untilIndexed(server, "/home/s/");
  const session = await beginSession(server, T2);
  const stream = await openStream(server, T2, session);
  const subscribe = (uri: string) => sendRpc(server, T2, "resources/subscribe", { uri }, session);
  assertEquals((await subscribe("elastik:///home/s/a"))["result"], {});
  await putWorld(server, "/home/s/a", "2");
  assertEquals(await nextUris(stream, 1), ["elastik:///home/s/a"]);
  // A subscription is in effect in the open stream when it is answered.
  assertEquals((await subscribe("elastik:///home/s/b%20c"))["result"], {});
  await putWorld(server, "/home/s/b%20c", "2");
  assertEquals(await nextUris(stream, 1), ["elastik:///home/s/b%20c"]);
  await sendRpc(server, T2, "resources/unsubscribe", { uri: "elastik:///home/s/a" }, session);
  await putWorld(server, "/home/s/a", "3");
  await putWorld(server, "/home/s/b%20c", "3");
  assertEquals(await nextUris(stream, 1), ["elastik:///home/s/b%20c"]);
  await stream.close();
  for (const uri of ["elastik:///home/s/none", "elastik:///etc/shadow", "elastik:///home/s/", 7]) {
    const { error } = await sendRpc(server, T2, "resources/subscribe", { uri }, session);
    assertMatch(JSON.stringify(error), /"code":-32(?:002|602|603)/);
  }
}

async function resumption(server: TestServer): Promise<void> {
  await putWorld(server, "/home/r/a", "1");
  await untilIndexed(server, "/home/r/");
  const session = await beginSession(server, T2);
  await sendRpc(server, T2, "resources/subscribe", { uri: "elastik:///home/r/a" }, session);
  await putWorld(server, "/home/r/a", "2");
  const first = await openStream(server, T2, session);
  const start = await first.next();
  assertEquals(start?.data, "");
  const event = await first.next();
  assertMatch(event?.data ?? "", /elastik:\/\/\/home\/r\/a/);
  await first.close();
  await putWorld(server, "/home/r/a", "3");
  // The change between the two streams is not lost.
  const second = await openStream(server, T2, session, event?.lastEventId);
  assertEquals(await nextUris(second, 1), ["elastik:///home/r/a"]);
  await second.close();
  // From the start again: the changes are reported again.
  const third = await openStream(server, T2, session, start?.lastEventId);
  assertEquals(await nextUris(third, 1), ["elastik:///home/r/a"]);
  await third.close();
}

async function listening(server: TestServer): Promise<void> {
  await putWorld(server, "/home/l/a", "1");
  await untilIndexed(server, "/home/l/");
  const stream = await listen(server, T2, {
    resourcesListChanged: true,
    resourceSubscriptions: ["elastik:///home/l/a"],
  });
  const next = async (): Promise<Members> => JSON.parse((await stream.next())?.data ?? "{}");
  const meta = { "io.modelcontextprotocol/subscriptionId": "l" };
  assertEquals(await next(), {
    jsonrpc: "2.0",
    method: "notifications/subscriptions/acknowledged",
    params: {
      _meta: meta,
      notifications: {
        resourcesListChanged: true,
        resourceSubscriptions: ["elastik:///home/l/a"],
      },
    },
  });
  await putWorld(server, "/home/l/a", "2");
  const updated = {
    jsonrpc: "2.0",
    method: "notifications/resources/updated",
    params: { _meta: meta, uri: "elastik:///home/l/a" },
  };
  assertEquals(await next(), updated);
  await putWorld(server, "/home/l/new", "1");
  assertEquals(await next(), {
    jsonrpc: "2.0",
    method: "notifications/resources/list_changed",
    params: { _meta: meta },
  });
  await server.approve("DELETE", "/home/l/a");
  assertEquals([await next(), (await next())["method"]], [
    updated,
    "notifications/resources/list_changed",
  ]);
  await stream.close();
}

/** A caller hears nothing of worlds that it cannot read, whatever it subscribes to. */
async function foreignChanges(server: TestServer): Promise<void> {
  await putWorld(server, "/home/z/hidden", "1");
  await putWorld(server, "/home/f/own", "1");
  await untilIndexed(server, "/home/z/");
  await untilIndexed(server, "/home/f/");
  const as = bearer(server.capability("/home/f", "r"));
  const stream = await listen(server, as, {
    resourcesListChanged: true,
    resourceSubscriptions: ["elastik:///home/z/hidden", "elastik:///home/f/own"],
  });
  await stream.next();
  await putWorld(server, "/home/z/hidden", "2");
  await putWorld(server, "/home/z/other", "1");
  await putWorld(server, "/home/f/own", "2");
  assertEquals(await nextUris(stream, 1), ["elastik:///home/f/own"]);
  assert(!stream.wire.includes("list_changed"), stream.wire);
  await stream.close();
}

/** Authority that ends closes the streams that it opened. */
async function endOfCredential(server: TestServer): Promise<void> {
  const uri = "elastik:///home/e/a";
  await putWorld(server, "/home/e/a", "1");
  for (const isListening of [true, false]) {
    await untilIndexed(server, "/home/e/");
    const open = async (seconds: number): Promise<EventReader> => {
      const as = bearer(server.capability("/home/e", "r", seconds));
      if (isListening) return await listen(server, as, { resourceSubscriptions: [uri] });
      const session = await beginSession(server, as);
      await sendRpc(server, as, "resources/subscribe", { uri }, session);
      return await openStream(server, as, session);
    };
    // On a slow computer the capability can expire before the stream is open.
    let stream: EventReader | undefined;
    for (let seconds = 2; stream?.response.status !== 200; seconds *= 4) {
      assert(seconds < 100, "the stream is open before the capability expires");
      await stream?.close();
      stream = await open(seconds).catch(() => undefined);
    }
    while (await stream.next().catch(() => undefined) !== undefined);
    await putWorld(server, "/home/e/a", "2");
    assert(!stream.wire.includes("resources/updated"), stream.wire);
    await stream.close();
  }
}

/** A revoked capability ends its streams, within the time that the server needs to notice. */
async function revocation(server: TestServer): Promise<void> {
  await putWorld(server, "/home/e/a", "1");
  const minted = await server.send({
    method: "POST",
    target: "/auth/mint?prefix=/home/e&mode=r&name=leaver",
    headers: bearer(server.approveToken),
  });
  const as = bearer(JSON.parse(minted.text).token);
  const stream = await listen(server, as, { resourceSubscriptions: ["elastik:///home/e/a"] });
  assertMatch((await stream.next())?.data ?? "", /acknowledged/);
  await putWorld(server, "/etc/revoked", "name:leaver\n");
  while (await stream.next().catch(() => undefined) !== undefined);
  await stream.close();
  const { texts } = await callTool(server, as, "write", { path: "/home/e/a", content: "x" });
  assertMatch(texts[0] ?? "", /the capability was revoked.*status 401/);
}

async function officialClients(server: TestServer): Promise<void> {
  const options = { requestInit: { headers: { ...T2 } } };
  const uri = "elastik:///home/o/a";
  await putWorld(server, "/home/o/a", "1");
  await untilIndexed(server, "/home/o/");
  const old = new SessionClient({ name: "official", version: "1" });
  const heard = Promise.withResolvers<string>();
  old.setNotificationHandler(ResourceUpdatedNotificationSchema, (
    { params }: { readonly params: { readonly uri: string } },
  ) => {
    heard.resolve(params.uri);
  });
  const transport = new SessionTransport(endpointUrl(server), options);
  await old.connect(transport);
  await old.subscribeResource({ uri });
  await putWorld(server, "/home/o/a", "2");
  assertEquals(await heard.promise, uri);
  await transport.terminateSession();
  await old.close();

  const client = new StatelessClient({ name: "official", version: "2" }, {
    versionNegotiation: { mode: { pin: STATELESS } },
  });
  const updated = Promise.withResolvers<string>();
  client.setNotificationHandler("notifications/resources/updated", ({ params }) => {
    updated.resolve(params.uri);
  });
  await client.connect(new StatelessTransport(endpointUrl(server), options));
  const subscription = await client.listen({ resourceSubscriptions: [uri] });
  assertEquals(subscription.honoredFilter, { resourceSubscriptions: [uri] });
  await putWorld(server, "/home/o/a", "3");
  assertEquals(await updated.promise, uri);
  await subscription.close();
  await client.close();
}

/** Streams that clients left give their places back. */
async function leftStreams(server: TestServer): Promise<void> {
  for (let i = 0; i < 30; i++) {
    // The server notices a moment later that a client left its stream.
    const stream = await eventually(async () => {
      const opened = await listen(server, T2, { resourceSubscriptions: ["elastik:///home/o/a"] });
      if (opened.response.status !== 429) return opened;
      await opened.close();
      return undefined;
    }, `a place for stream ${i}`);
    assertEquals(stream.response.status, 200, `stream ${i}`);
    await stream.next();
    await stream.close();
    const call = await sendRpc(server, T2, "ping");
    assertEquals(call["result"], {});
  }
}

Deno.test("streams of mcp", async (t) => {
  await withMcp(async (server) => {
    const steps: [title: string, run: (server: TestServer) => Promise<void>][] = [
      ["a session hears of the worlds that it subscribed to", sessionStream],
      ["a stream continues at Last-Event-ID", resumption],
      ["subscriptions/listen reports changes of worlds and of the list", listening],
      ["a caller hears nothing of worlds that it cannot read", foreignChanges],
      ["a stream ends with the credential that opened it", endOfCredential],
      ["a stream ends when its capability is revoked", revocation],
      ["the official clients hear of changes", officialClients],
      ["a stream that its client left does not count any more", leftStreams],
    ];
    for (const [title, run] of steps) await t.step(title, () => run(server));
  });
});
