/**
 * What a world shows of other worlds in a browser. An HTML world has an opaque origin, so the
 * Cross-Origin-Resource-Policy of other worlds forbids their images, styles and scripts; the manual
 * names `data:` URLs and Markdown instead.
 */

import { assertEquals } from "../support/assert.ts";
import { openPage, startBrowser, untilTrue } from "./browser.ts";
import { startBrowserServer } from "./browser_server.ts";

const PNG =
  "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";
const PAGE =
  `<!doctype html><link rel="stylesheet" href="style.css?raw"><script src="script.js?raw"></script>
<img id="world" src="picture.png?raw"><img id="data" src="data:image/png;base64,${PNG}">
<p id="done"></p><script>
addEventListener("load", () => {
  done.textContent = JSON.stringify([world.naturalWidth, data.naturalWidth, self.loaded ?? 0,
    getComputedStyle(document.body).color]);
});
</script>`;

Deno.test("an HTML world shows images as data URLs only, Markdown those of other worlds", async () => {
  const browser = await startBrowser();
  const server = await startBrowserServer();
  try {
    await server.put("/home/a/picture.png", Uint8Array.fromBase64(PNG));
    await server.put("/home/a/style.css", "body { color: rgb(1, 2, 3) }");
    await server.put("/home/a/script.js", "globalThis.loaded = 1");
    await server.put("/home/a/page.html", PAGE);
    await server.put("/home/a/notes.md", "![of a world](picture.png?raw)");
    const { page } = await openPage(browser);
    const shown = [0, 1, 0, "rgb(0, 0, 0)"];
    await page.goto(`${server.url}/home/a/page.html`);
    const text = await page.frameLocator("iframe").locator("#done:not(:empty)").textContent();
    assertEquals(JSON.parse(text ?? ""), shown, "in the shell");
    await page.goto(`${server.url}/home/a/page.html?raw`);
    const raw = await page.locator("#done:not(:empty)").textContent();
    assertEquals(JSON.parse(raw ?? ""), shown, "as ?raw");
    await page.goto(`${server.url}/home/a/notes.md`);
    const isShown =
      "[...document.images].some((one) => one.alt === 'of a world' && one.naturalWidth === 1)";
    await untilTrue(page, isShown);
  } finally {
    await browser.close();
    await server.stop();
  }
});
