/**
 * Property: a plugin reaches the hosts that its permissions name and no other, in every notation of
 * a host. A notation that means more, or that the runtime does not understand, is refused with 422 at
 * the approval. Over HTTP, with plugins in their processes.
 */

import { assertEquals, assertMatch } from "../support/assert.ts";
import { plugin } from "../plugin/plugin_test_server.ts";
import { withPluginServer } from "../support/plugin_server.ts";
import { bearer, type TestServer, TOKEN } from "../support/test_server.ts";

const REACH = `const { at } = await request.json();
try {
  return new Response(await (await fetch(at)).text());
} catch (error) {
  return new Response(error.name);
}`;

async function activate(server: TestServer, net: readonly string[]): Promise<[number, string]> {
  const source = plugin({ routes: ["/reach"], permissions: { net: [...net] } }, REACH);
  await server.approve("PUT", "/lib/reach", source);
  const { status, text } = await server.approve("PUT", "/lib/reach/state", "active");
  return [status, text];
}

async function reach(server: TestServer, url: string): Promise<string> {
  const body = JSON.stringify({ at: url });
  const request = { method: "POST", target: "/reach", headers: bearer(TOKEN), body };
  return (await server.send(request)).text;
}

Deno.test("PUT /lib/x/state answers 422 to hosts that are not one host", () =>
  withPluginServer({ plugins: [] }, async (server) => {
    for (
      const host of [
        "*",
        "*.example.com",
        "https://example.com",
        "10.0.0.0/8",
        "example.com.",
        "example.com:0",
        "example.com:65536",
        "[1:2]",
        "[....]",
        "[fe80::1%25eth0]:80",
        "127.1",
        "0x7f.1",
        "256.1.1.1",
        "xn--a",
        "m\u00fcnchen.de",
        "example.com\u200b",
        "a,b",
        "--allow-all",
      ]
    ) {
      const [status, text] = await activate(server, [host]);
      assertEquals(status, 422, `${host}: ${text}`);
      assertMatch(text, /permissions\.net/, host);
    }
  }));

Deno.test("a plugin reaches the port that its permission names, in every notation of the address", async () => {
  const ended = new AbortController();
  const servers = ["reached", "not for the plugin"].map((text) =>
    Deno.serve(
      { port: 0, hostname: "127.0.0.1", onListen() {}, signal: ended.signal },
      () => new Response(text),
    )
  );
  const [port = 0, other = 0] = servers.map(({ addr }) => addr.port);
  try {
    const atOneNode = "a node denies its plugins its own port";
    await withPluginServer({ plugins: [], atOneNode }, async (server) => {
      for (
        const host of [
          "127.0.0.1",
          "[::ffff:127.0.0.1]",
          "[::FFFF:7F00:1]",
          "[0:0:0:0:0:ffff:7f00:1]",
        ]
      ) {
        const [status, text] = await activate(server, [`${host}:${port}`]);
        assertEquals(status, 200, `${host}: ${text}`);
        assertEquals(JSON.parse(text).permissions.net, [`127.0.0.1:${port}`], host);
        for (const name of ["127.0.0.1", "[::ffff:127.0.0.1]", "127.1"]) {
          assertEquals(
            await reach(server, `http://${name}:${port}/`),
            "reached",
            `${host} ${name}`,
          );
          for (const denied of [other, server.port]) {
            assertEquals(await reach(server, `http://${name}:${denied}/`), "NotCapable", name);
          }
        }
      }
      // The address of the server itself is denied in every notation.
      for (const host of ["127.0.0.1", "[::ffff:127.0.0.1]", "LOCALHOST", "[0::1]"]) {
        const [status, text] = await activate(server, [`${host}:${server.port}`]);
        assertEquals(status, 200, text);
        for (const name of ["127.0.0.1", "[::ffff:127.0.0.1]", "localhost", "[::1]"]) {
          assertEquals(await reach(server, `http://${name}:${server.port}/`), "NotCapable", name);
        }
      }
    });
  } finally {
    ended.abort();
    await Promise.all(servers.map(({ finished }) => finished));
  }
});
