import { equal, ok } from "node:assert/strict";
import type { World } from "../../../lib/world/store.ts";
import { shownByShell } from "../../../lib/plugin/host/shell_response.ts";
import { get, install, plugin, withPlugins } from "../plugin_machine.ts";

const NO_STORE = { read: (): Promise<World | undefined> => Promise.resolve(undefined) };
const REQUEST = new Request("http://localhost/mnt/");

Deno.test("shownByShell() leaves every answer alone that does not ask for the shell", async () => {
  const answer = new Response("bytes", { headers: { "x-a": "b" } });
  equal(await shownByShell(NO_STORE, REQUEST, answer), answer);
  const refusal = new Response("no", { status: 404, headers: { "x-show": "shell" } });
  equal(await shownByShell(NO_STORE, REQUEST, refusal), refusal);
  equal(refusal.headers.get("x-show"), null);
  const posted = new Response("done", { headers: { "x-show": "shell" } });
  const post = new Request("http://localhost/mnt/", { method: "POST" });
  equal(await shownByShell(NO_STORE, post, posted), posted);
});

Deno.test("shownByShell() puts the machine's own page in place of the plugin's answer", async () => {
  await withPlugins(async (machine) => {
    const headers = { "x-show": "shell", "vary": "Accept, X-A", "set-cookie": "a=b", "x-b": "c" };
    const source = plugin(
      { routes: ["/mnt/p"] },
      `return new Response("<script>evil()</script>", { headers: ${JSON.stringify(headers)} });`,
    );
    await install(machine, "p", source);
    const page = await get(machine, "/mnt/p/", { accept: "text/html" });
    equal(page.text, "<!doctype html><title>the shell</title>");
    equal(page.headers.get("vary"), "Accept, X-A");
    for (const name of ["set-cookie", "x-b", "x-show"]) equal(page.headers.get(name), undefined);
    ok(page.headers.get("content-security-policy")?.startsWith("default-src 'none'"));
  });
});
