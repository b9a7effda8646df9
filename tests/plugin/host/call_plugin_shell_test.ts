import { equal, ok } from "node:assert/strict";
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
    equal([plain.text, plain.headers.get("x-a")].join(" "), "bytes b");
    const refused = await get(server, "/p/none");
    equal([refused.status, refused.text, refused.headers.get("x-show")].join(), "404,bytes,");
    const posted = await server.approve("POST", "/p/x", "");
    equal(posted.text, "bytes");
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
    equal(page.text, "<!doctype html><title>the shell</title>");
    equal(page.headers.get("vary"), "Accept, X-A");
    for (const name of ["set-cookie", "x-b", "x-show"]) equal(page.headers.get(name), undefined);
    ok(page.headers.get("content-security-policy")?.startsWith("default-src 'none'"));
  });
});
