/** `/shaped/…` in Chromium: the text of a model streams into the page, and no script of it runs. */

import { assertEquals } from "../support/assert.ts";
import { SCRIPTED } from "../plugins/shaper.ts";
import { type OpenedPage, openPage, startBrowser } from "./browser.ts";
import { type BrowserServer, startBrowserServer } from "./browser_server.ts";

const SHOTS = new URL("./shots/", import.meta.url).pathname;
const SEMANTIC = new URL("../../plugins/semantic.ts", import.meta.url);
const PAGE = [
  "<!doctype html><html><head><style>body{font:1.6rem Georgia;margin:2rem;max-width:30em}",
  "h1{color:#7a2e12}</style></head><body><h1>Dear Grandma</h1>",
  "<p id=one>We met, and it went well.</p>",
  "<script>document.body.dataset.ran = 'script'</script>",
  "<img src=x onerror=\"document.body.dataset.ran = 'handler'\">",
  '<p id=two onclick="document.body.dataset.ran = 1">Nobody is cross. <a href="/home/b">More</a></p>',
  "</body></html>",
];

/** Controls the scripted model at `/dev/gpu`. */
async function control(
  server: BrowserServer,
  command: string,
  content: unknown = {},
): Promise<void> {
  const answer = await fetch(`${server.url}/dev/gpu/${command}`, {
    method: "POST",
    headers: { authorization: `Bearer ${server.approve}` },
    body: JSON.stringify(content),
  });
  await answer.body?.cancel();
  assertEquals(answer.status, 200);
}

async function shaped(
  page: OpenedPage["page"],
  server: BrowserServer,
  accept: string,
  tokens: string[],
) {
  await control(server, "script", [{ tokens }]);
  const query = new URLSearchParams({ intent: `case ${accept}`, accept });
  await page.goto(`${server.url}/shaped/home/retro?${query}`);
}

Deno.test("GET /shaped/<path> shows every form in the browser", async (t) => {
  const browser = await startBrowser();
  const server = await startBrowserServer();
  const { url } = server;
  try {
    await server.put("/home/retro", "Retro: we met. It went well. Nobody is cross.\n");
    await server.put("/lib/gpu", SCRIPTED);
    await server.put("/lib/gpu/state", "active");
    await server.put("/lib/semantic", await Deno.readTextFile(SEMANTIC));
    await server.put("/lib/semantic/state", "active");

    await t.step("shows a page while it is written, and runs none of its scripts", async () => {
      const { page } = await openPage(browser);
      await control(server, "script", [{ tokens: PAGE, hold: 3 }]);
      await page.goto(`${url}/shaped/home/retro?intent=grandma/1.0%20(big-font)`);
      const frame = page.frameLocator(".stage iframe");
      await frame.getByText("We met, and it went well.").waitFor();
      assertEquals(await frame.getByText("Nobody is cross.").count(), 0);
      assertEquals(await page.getByRole("button", { name: "Stop" }).isVisible(), true);
      await control(server, "release");
      await frame.getByText("Nobody is cross.").waitFor();
      await frame.locator("#two").click();
      await page.getByText("fake/m1, on the server's computer").waitFor();
      await page.getByRole("button", { name: "Stop" }).waitFor({ state: "hidden" });
      assertEquals(await frame.locator("body").getAttribute("data-ran"), null);
      await frame.getByText("More").click();
      await page.getByRole("link", { name: `${url}/home/b` }).waitFor();
      assertEquals(new URL(page.url()).searchParams.get("accept"), "text/html");
      await page.screenshot({ path: `${SHOTS}shaped-1440-light.png` });
      // The same URL is answered from the cache.
      await page.reload();
      await page.getByText("from the cache").waitFor();
      await frame.getByText("Nobody is cross.").waitFor();
      await page.setViewportSize({ width: 390, height: 800 });
      await page.screenshot({ path: `${SHOTS}shaped-390-light.png` });
      await page.context().close();
    });

    await t.step("shows every other form with its viewer", async () => {
      const { page, messages } = await openPage(browser, { colorScheme: "dark" });
      await shaped(page, server, "application/json", ['{"mood":"fine",', '"cross":[]}']);
      await page.locator(".json .key", { hasText: "mood" }).waitFor();
      await shaped(page, server, "text/csv", ["who,mood\n", "all,fine\n"]);
      await page.locator("table th", { hasText: "mood" }).waitFor();
      assertEquals(await page.locator("table td").count(), 2);
      await shaped(page, server, "text/markdown", ["# Retro\n\n", "- **fine**\n"]);
      await page.locator(".prose-page h1", { hasText: "Retro" }).waitFor();
      await shaped(page, server, "text/plain", ["<b>fine</b>"]);
      await page.locator(".shape-text", { hasText: "<b>fine</b>" }).waitFor();
      const picture =
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9"><circle id="dot" cx="4" cy="4" r="4"/></svg>';
      await shaped(page, server, "image/svg+xml", [picture.slice(0, 50), picture.slice(50)]);
      await page.frameLocator(".stage iframe").locator("#dot").waitFor();
      assertEquals(messages, []);
      await page.screenshot({ path: `${SHOTS}shaped-picture-1440-dark.png` });
      await page.context().close();
    });

    await t.step("shows the problem if a request fails", async () => {
      const { page } = await openPage(browser);
      await shaped(page, server, "application/json;x=1", ["{}"]);
      await page.getByText("Cannot choose a format: Accept allows none of").waitFor();
      await control(server, "forget");
      await control(server, "script", [{ tokens: ['{"a":'] }]);
      await page.goto(`${url}/shaped/home/retro?intent=broken&accept=application/json`);
      await page.getByText("it is not valid JSON").waitFor();
      await control(server, "script", [{ status: 502 }]);
      await page.getByRole("button", { name: "Shape it" }).click();
      await page.getByText("/dev/gpu answered 502").waitFor();
      await page.goto(`${url}/shaped/home/absent`);
      await page.getByText("Cannot read /home/absent").waitFor();
      await page.context().close();
    });

    await t.step("is the same in the dialog on the page of a world", async () => {
      const { page, messages } = await openPage(browser);
      await page.goto(`${url}/home/retro`);
      await page.getByRole("button", { name: "Shape" }).click();
      await control(server, "script", [{ tokens: ["It went ", "well."] }]);
      await page.getByRole("button", { name: "Shape it" }).click();
      await page.locator(".shape-text", { hasText: "It went well." }).waitFor();
      await page.getByRole("link", { name: "Open as a page" }).click();
      await page.waitForURL(/\/shaped\/home\/retro\?/);
      await page.getByRole("heading", { name: "/home/retro, shaped" }).waitFor();
      assertEquals(messages, []);
      await page.context().close();
    });
  } finally {
    await browser.close();
    await server.stop();
  }
});

Deno.test("GET /shaped/<path> asks for a token first if the server has tokens", async () => {
  const browser = await startBrowser();
  const server = await startBrowserServer({ ELASTIK_TOKEN: "token-in-tests" });
  try {
    await server.put("/home/retro", "Retro: we met.\n");
    await server.put("/lib/gpu", SCRIPTED);
    await server.put("/lib/gpu/state", "active");
    await server.put("/lib/semantic", await Deno.readTextFile(SEMANTIC));
    await server.put("/lib/semantic/state", "active");
    const { page } = await openPage(browser);
    await page.goto(`${server.url}/shaped/home/retro?accept=text/plain`);
    await page.getByLabel("Token or password").fill("token-in-tests");
    await page.getByRole("button", { name: "Sign in", exact: true }).last().click();
    await page.locator(".shape-text", { hasText: "shaped text" }).waitFor();
    await page.context().close();
  } finally {
    await browser.close();
    await server.stop();
  }
});
