/**
 * Property: whatever a plugin answers at its routes, the shell shows it as a listing or as text, and
 * the home page is shown. A link never leads to another server because of what a plugin lists.
 */

import { assertEquals, assertMatch } from "../support/assert.ts";
import { openPage, startBrowser } from "./browser.ts";
import { startBrowserServer } from "./browser_server.ts";

const PLUGIN = `export const routes = ["/mnt"];
const answers = ${
  JSON.stringify({
    null: "[null]",
    mixed: '[{"name":"a"},null,7,{"name":{}}]',
    members: '[{"name":7,"dir":"yes"},{"route":null}]',
    links: '[{"route":"//attacker.example/"},{"route":"javascript:alert(1)"}]',
    object: '{"name":null}',
    nothing: "null",
    broken: '[{"name":',
    empty: "",
    deep: `${"[".repeat(20_000)}${"]".repeat(20_000)}`,
    rows: '[{"name":"good","dir":true,"len":"x","updated_at":7,"description":{}}]',
  })
};
let now = "null";
export default { fetch(request) {
  const name = new URL(request.url).pathname.slice("/mnt/".length);
  if (request.method === "POST") now = name;
  return new Response(answers[name || now], { headers: { "content-type": "application/json" } });
} };`;

Deno.test("the shell shows any answer of a plugin, and the home page with it", async (t) => {
  const browser = await startBrowser();
  const server = await startBrowserServer();
  try {
    await server.put("/lib/odd?ext=ts", PLUGIN);
    await server.put("/lib/odd/state", "active");
    const { page, messages } = await openPage(browser);
    for (
      const name of [
        "null",
        "mixed",
        "members",
        "links",
        "object",
        "nothing",
        "broken",
        "empty",
        "deep",
      ]
    ) {
      await t.step(`/mnt answers ${name}`, async () => {
        await (await fetch(`${server.url}/mnt/${name}`, {
          method: "POST",
          headers: { authorization: `Bearer ${server.approve}` },
        })).body?.cancel();
        await page.goto(server.url);
        await page.getByRole("heading", { name: "Recent changes" }).waitFor();
        await page.goto(`${server.url}/bin`);
        await page.getByText("/auth/mint").first().waitFor();
        await page.evaluate(
          `dispatchEvent(new CustomEvent("shell:go", { detail: "/mnt/${name}" }))`,
        );
        await page.locator("main:not([aria-busy]) h1", { hasText: `mnt/${name}` }).waitFor();
        const text = await page.locator("main").textContent() ?? "";
        assertEquals(/Internal error/.test(text), false, text.slice(0, 200));
        assertEquals(await page.locator("main a[href*='attacker']").count(), 0);
      });
    }
    await t.step("/mnt answers rows with odd members", async () => {
      await page.evaluate(`dispatchEvent(new CustomEvent("shell:go", { detail: "/mnt/rows" }))`);
      await page.locator("main:not([aria-busy]) a .name", { hasText: "good" }).waitFor();
      assertMatch(await page.locator("main").textContent() ?? "", /1 entry/);
    });
    assertEquals(messages, []);
  } finally {
    await browser.close();
    await server.stop();
  }
});
