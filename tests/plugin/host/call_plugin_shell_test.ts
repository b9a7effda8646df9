import { assert, assertEquals } from "../../support/assert.ts";
import { wantsPage } from "../../../lib/plugin/host/call_plugin.ts";
import { get, install, plugin, withPlugins } from "../plugin_test_server.ts";

Deno.test("callPlugin() does not change a response without X-Show, an error or a response to a POST", async () => {
  await withPlugins(async (server) => {
    const source = plugin(
      { routes: ["/p"] },
      `const path = new URL(request.url).pathname;
       const status = path === "/p/none" ? 404 : 200;
       const headers = path === "/p/plain" ? { "x-a": "b" } : { "x-show": "shell" };
       return new Response("bytes", { status, headers });`,
    );
    await install(server, "p", source);
    const plain = await get(server, "/p/plain");
    assertEquals([plain.text, plain.headers.get("x-a")].join(" "), "bytes b");
    const refused = await get(server, "/p/none");
    assertEquals(
      [refused.status, refused.text, refused.headers.get("x-show")].join(),
      "404,bytes,",
    );
    const posted = await server.approve("POST", "/p/x", "");
    assertEquals(posted.text, "bytes");
  });
});

Deno.test("callPlugin() returns the page of the shell for a response with X-Show: shell", async () => {
  await withPlugins(async (server) => {
    const headers = { "x-show": "shell", "vary": "Accept, X-A", "set-cookie": "a=b", "x-b": "c" };
    const source = plugin(
      { routes: ["/mnt/p"] },
      `return new Response("<script>evil()</script>", { headers: ${JSON.stringify(headers)} });`,
    );
    await install(server, "p", source);
    const page = await get(server, "/mnt/p/", { accept: "text/html" });
    assertEquals(page.text, "<!doctype html><title>the shell</title>");
    assertEquals(page.headers.get("vary"), "Accept, X-A");
    for (const name of ["set-cookie", "x-b", "x-show"]) {
      assertEquals(page.headers.get(name), undefined);
    }
    assert(page.headers.get("content-security-policy")?.startsWith("default-src 'none'"));
  });
});

function asks(accept: string | null, route = "/p", method = "GET"): boolean {
  const headers: Record<string, string> = accept === null ? {} : { accept };
  return wantsPage(new Request("http://localhost/p", { method, headers }), route);
}

Deno.test("wantsPage() is true for GET and HEAD that prefer HTML, except below /mnt", () => {
  assert(asks("text/html,application/xhtml+xml,*/*;q=0.8"));
  assert(asks("text/html", "/p", "HEAD"));
  for (const accept of [null, "*/*", "application/json", "application/json, text/html;q=0.9", ""]) {
    assert(!asks(accept), String(accept));
  }
  assert(!asks("text/html", "/p", "POST"));
  for (const route of ["", "/mnt", "/mnt/work"]) assert(!asks("text/html", route), route);
  assert(asks("text/html", "/mntx"));
});
