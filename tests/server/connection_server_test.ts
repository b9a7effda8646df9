import { assert, assertEquals, assertMatch } from "../support/assert.ts";
import { ConnectionServer } from "../../lib/server/connection_server.ts";
import { findServeConnection, type ServeConnection } from "../../lib/server/deno_http.ts";
import { CLOSE_DELAY_MS, EDGE_CHECK_MS, EDGE_LIMITS, type EdgeLimits } from "../../lib/limits.ts";
import { Connection } from "../support/wire.ts";

const GET = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";

/** Runs a test on a server whose handler answers with the peer. */
async function withConnectionServer(
  options: {
    limits?: Partial<EdgeLimits>;
    serve?: ServeConnection | undefined;
    handle?: (request: Request) => Promise<Response>;
  },
  test: (server: ConnectionServer, port: number, log: string[]) => Promise<void>,
): Promise<void> {
  const log: string[] = [];
  const server = new ConnectionServer({
    hostname: "127.0.0.1",
    port: 0,
    serve: "serve" in options ? options.serve : findServeConnection(),
    limits: { ...EDGE_LIMITS, maxConnections: 10, ...options.limits },
    isProxy: () => false,
    handle: options.handle ?? ((_request, peer) => new Response(peer)),
    log: (line) => void log.push(line),
  });
  try {
    const { addr } = server;
    assert("port" in addr);
    await test(server, addr.port, log);
  } finally {
    await server.close(1000);
  }
}

Deno.test("ConnectionServer answers with the address of the peer", () =>
  withConnectionServer({}, async (_server, port) => {
    const client = await Connection.open(port);
    await client.write(GET + GET);
    assertEquals((await client.reply()).text, "127.0.0.1");
    assertEquals((await client.reply()).text, "127.0.0.1");
    client.close();
  }));

Deno.test("ConnectionServer.counts() counts a connection until it ends", () =>
  withConnectionServer({}, async (server, port) => {
    const client = await Connection.open(port);
    await client.write(GET);
    await client.reply();
    assertEquals(server.counts().connections.open, 1);
    client.close();
    while (server.counts().connections.open > 0) await new Promise((done) => setTimeout(done, 1));
  }));

Deno.test("ConnectionServer accepts again after a connection that cannot be served", () => {
  const real = findServeConnection();
  assert(real !== undefined);
  let calls = 0;
  const serve: ServeConnection = (...args) => {
    if (++calls === 1) throw new Deno.errors.BadResource("closed already");
    return real(...args);
  };
  return withConnectionServer({ serve }, async (server, port) => {
    const lost = await Connection.open(port);
    assertEquals(await lost.rest(), "");
    lost.close();
    const client = await Connection.open(port);
    await client.write(GET);
    assertEquals((await client.reply()).status, 200);
    assertEquals(server.counts().connections.open, 1);
    client.close();
  });
});

Deno.test("ConnectionServer without the function of Deno answers, and says what is missing", () =>
  withConnectionServer({ serve: undefined }, async (_server, port, log) => {
    const client = await Connection.open(port);
    await client.write(GET);
    assertEquals((await client.reply()).text, "127.0.0.1");
    client.close();
    assertEquals(log.length, 1);
    assertMatch(log[0] ?? "", /^this version of Deno cannot limit connections/);
  }));

Deno.test("ConnectionServer.close() ends connections that are idle or incomplete", async () => {
  let client: Connection | undefined;
  await withConnectionServer({}, async (_server, port) => {
    client = await Connection.open(port);
    await client.write("GET / HT");
  });
  assertEquals(await client?.rest(), "");
  client?.close();
});

Deno.test("ConnectionServer keeps the connection after a 408 of a handler that has read the request", () => {
  // A connection that is closed after the 408 is closed during the second request.
  const ms = 2 * (CLOSE_DELAY_MS + EDGE_CHECK_MS);
  const handle = async (request: Request) => {
    if (request.url.endsWith("/next")) await new Promise((resolve) => setTimeout(resolve, ms));
    return new Response(null, { status: request.url.endsWith("/next") ? 204 : 408 });
  };
  return withConnectionServer({ handle }, async (_server, port) => {
    const client = await Connection.open(port);
    await client.write(GET);
    assertEquals((await client.reply()).status, 408);
    await client.write(GET.replace("/", "/next"));
    assertEquals((await client.reply()).status, 204);
    client.close();
  });
});
