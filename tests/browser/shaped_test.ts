/**
 * The thinking layer in Debian's Chromium: what a model writes streams into the page, is shown for
 * what it is, and runs nowhere.
 */

import assert from "node:assert/strict";
import { SCRIPTED } from "../plugins/shaper.ts";
import { openPage, startBrowser, type Watched } from "./browser.ts";
import { startTestMachine, type TestMachine } from "./machine.ts";

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

/** What stands at `/dev/gpu` does as it is told. */
async function tell(machine: TestMachine, door: string, told: unknown = {}): Promise<void> {
  const answer = await fetch(`${machine.url}/dev/gpu/${door}`, {
    method: "POST",
    headers: { authorization: `Bearer ${machine.approve}` },
    body: JSON.stringify(told),
  });
  await answer.body?.cancel();
  assert.equal(answer.status, 200);
}

async function shaped(
  page: Watched["page"],
  machine: TestMachine,
  accept: string,
  tokens: string[],
) {
  await tell(machine, "script", [{ tokens }]);
  const query = new URLSearchParams({ intent: `case ${accept}`, accept });
  await page.goto(`${machine.url}/shaped/home/retro?${query}`);
}

Deno.test("the thinking layer in the browser", async (t) => {
  const browser = await startBrowser();
  const machine = await startTestMachine();
  const { url } = machine;
  try {
    await machine.put("/home/retro", "Retro: we met. It went well. Nobody is cross.\n");
    await machine.put("/lib/gpu", SCRIPTED);
    await machine.put("/lib/gpu/state", "active");
    await machine.put("/lib/semantic", await Deno.readTextFile(SEMANTIC));
    await machine.put("/lib/semantic/state", "active");

    await t.step("a page streams in as it is written, and none of it runs", async () => {
      const { page } = await openPage(browser);
      await tell(machine, "script", [{ tokens: PAGE, hold: 3 }]);
      await page.goto(`${url}/shaped/home/retro?intent=grandma/1.0%20(big-font)`);
      const frame = page.frameLocator(".stage iframe");
      await frame.getByText("We met, and it went well.").waitFor();
      assert.equal(await frame.getByText("Nobody is cross.").count(), 0);
      assert.equal(await page.getByRole("button", { name: "Stop" }).isVisible(), true);
      await tell(machine, "release");
      await frame.getByText("Nobody is cross.").waitFor();
      await frame.locator("#two").click();
      await page.getByText("fake/m1, on this machine").waitFor();
      await page.getByRole("button", { name: "Stop" }).waitFor({ state: "hidden" });
      assert.equal(await frame.locator("body").getAttribute("data-ran"), null);
      await frame.getByText("More").click();
      await page.getByRole("link", { name: `${url}/home/b` }).waitFor();
      assert.equal(new URL(page.url()).searchParams.get("accept"), "text/html");
      await page.screenshot({ path: `${SHOTS}shaped-1440-light.png` });
      // The same again, from the cache, by who opens the same URL.
      await page.reload();
      await page.getByText("from the cache").waitFor();
      await frame.getByText("Nobody is cross.").waitFor();
      await page.setViewportSize({ width: 390, height: 800 });
      await page.screenshot({ path: `${SHOTS}shaped-390-light.png` });
      await page.context().close();
    });

    await t.step("every other form is shown for what it is", async () => {
      const { page, said } = await openPage(browser, { colorScheme: "dark" });
      await shaped(page, machine, "application/json", ['{"mood":"fine",', '"cross":[]}']);
      await page.locator(".json .key", { hasText: "mood" }).waitFor();
      await shaped(page, machine, "text/csv", ["who,mood\n", "all,fine\n"]);
      await page.locator("table th", { hasText: "mood" }).waitFor();
      assert.equal(await page.locator("table td").count(), 2);
      await shaped(page, machine, "text/markdown", ["# Retro\n\n", "- **fine**\n"]);
      await page.locator(".prose-page h1", { hasText: "Retro" }).waitFor();
      await shaped(page, machine, "text/plain", ["<b>fine</b>"]);
      await page.locator(".shape-text", { hasText: "<b>fine</b>" }).waitFor();
      const picture =
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9"><circle id="dot" cx="4" cy="4" r="4"/></svg>';
      await shaped(page, machine, "image/svg+xml", [picture.slice(0, 50), picture.slice(50)]);
      await page.frameLocator(".stage iframe").locator("#dot").waitFor();
      assert.deepEqual(said, []);
      await page.screenshot({ path: `${SHOTS}shaped-picture-1440-dark.png` });
      await page.context().close();
    });

    await t.step("what goes wrong is said in words", async () => {
      const { page } = await openPage(browser);
      await shaped(page, machine, "application/json;x=1", ["{}"]);
      await page.getByText("Cannot give any form that Accept allows").waitFor();
      await tell(machine, "forget");
      await tell(machine, "script", [{ tokens: ['{"a":'] }]);
      await page.goto(`${url}/shaped/home/retro?intent=broken&accept=application/json`);
      await page.getByText("it is not valid JSON").waitFor();
      await tell(machine, "script", [{ status: 502 }]);
      await page.getByRole("button", { name: "Shape it" }).click();
      await page.getByText("/dev/gpu answered 502").waitFor();
      await page.goto(`${url}/shaped/home/absent`);
      await page.getByText("Cannot read /home/absent").waitFor();
      await page.context().close();
    });

    await t.step("the box over a world does the same, and leads to the page", async () => {
      const { page, said } = await openPage(browser);
      await page.goto(`${url}/home/retro`);
      await page.getByRole("button", { name: "Shape" }).click();
      await tell(machine, "script", [{ tokens: ["It went ", "well."] }]);
      await page.getByRole("button", { name: "Shape it" }).click();
      await page.locator(".shape-text", { hasText: "It went well." }).waitFor();
      await page.getByRole("link", { name: "Open it as a page" }).click();
      await page.waitForURL(/\/shaped\/home\/retro\?/);
      await page.getByRole("heading", { name: "/home/retro, shaped" }).waitFor();
      assert.deepEqual(said, []);
      await page.context().close();
    });
  } finally {
    await browser.close();
    await machine.stop();
  }
});

Deno.test("the thinking layer in the browser of a machine with tokens", async () => {
  const browser = await startBrowser();
  const machine = await startTestMachine({ ELASTIK_TOKEN: "token-in-tests" });
  try {
    await machine.put("/home/retro", "Retro: we met.\n");
    await machine.put("/lib/gpu", SCRIPTED);
    await machine.put("/lib/gpu/state", "active");
    await machine.put("/lib/semantic", await Deno.readTextFile(SEMANTIC));
    await machine.put("/lib/semantic/state", "active");
    const { page } = await openPage(browser);
    await page.goto(`${machine.url}/shaped/home/retro?accept=text/plain`);
    await page.getByLabel("Token or password").fill("token-in-tests");
    await page.getByRole("button", { name: "Sign in", exact: true }).last().click();
    await page.locator(".shape-text", { hasText: "shaped text" }).waitFor();
    await page.context().close();
  } finally {
    await browser.close();
    await machine.stop();
  }
});
