import { assert, assertEquals, assertRejects } from "../support/assert.ts";
import { TcpProxy } from "./tcp_proxy.ts";

/** Runs a test with a server that answers the path, and a proxy in front of it. */
async function withProxy(
  use: (proxy: TcpProxy, get: (path: string, ms?: number) => Promise<string>) => Promise<void>,
  cutAfterMs?: () => number | undefined,
): Promise<void> {
  const server = Deno.serve(
    { port: 0, hostname: "127.0.0.1", onListen() {} },
    (request) => new Response(new URL(request.url).pathname),
  );
  const proxy = TcpProxy.start(server.addr.port, cutAfterMs === undefined ? {} : { cutAfterMs });
  using client = Deno.createHttpClient({ poolMaxIdlePerHost: 0 });
  try {
    await use(proxy, async (path, ms = 60_000) => {
      const response = await fetch(`${proxy.url}${path}`, {
        client,
        signal: AbortSignal.timeout(ms),
      });
      return await response.text();
    });
  } finally {
    await proxy.close();
    await server.shutdown();
  }
}

Deno.test("TcpProxy forwards requests and responses", () =>
  withProxy(async (_, get) => {
    assertEquals(await Promise.all(["/a", "/b"].map((path) => get(path))), ["/a", "/b"]);
  }));

Deno.test("TcpProxy stalls without an end of the connection, and forwards later what was sent", () =>
  withProxy(async (proxy, get) => {
    assertEquals(await get("/a"), "/a");
    proxy.stall();
    await assertRejects(get("/b", 100), DOMException);
    const late = get("/c");
    await assertRejects(get("/d", 100), DOMException);
    proxy.heal();
    assertEquals(await late, "/c");
    assertEquals(await get("/e"), "/e");
  }));

Deno.test("TcpProxy refuses connections until it is healed", () =>
  withProxy(async (proxy, get) => {
    proxy.refuse();
    await assertRejects(get("/a"), TypeError);
    proxy.heal();
    assertEquals(await get("/b"), "/b");
  }));

Deno.test("TcpProxy cuts all connections at once", () =>
  withProxy(async (proxy, get) => {
    proxy.stall();
    for (let round = 0; round < 10; round++) {
      // From the first round on the connection to the server is still being opened, or it is open.
      const cut = assertRejects(get("/a"), TypeError);
      while (proxy.connections === 0) await new Promise((resume) => setTimeout(resume, round % 5));
      proxy.cut();
      await cut;
      assertEquals(proxy.connections, 0);
    }
  }));

Deno.test("TcpProxy cuts each connection after its time", () =>
  withProxy(async (proxy, get) => {
    proxy.delayMs = 300;
    await assertRejects(get("/a"), TypeError);
  }, () => 20));

Deno.test("TcpProxy delays each piece", () =>
  withProxy(async (proxy, get) => {
    proxy.delayMs = 40;
    const start = performance.now();
    assertEquals(await get("/a"), "/a");
    // The request and the response.
    assert(performance.now() - start >= 80);
  }));

Deno.test("TcpProxy closes a connection if the server does not listen", async () => {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const proxy = TcpProxy.start(listener.addr.port);
  listener.close();
  try {
    await assertRejects(fetch(proxy.url), TypeError);
  } finally {
    await proxy.close();
  }
});
