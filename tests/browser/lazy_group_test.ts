/** What is loaded when it is first needed: a failed load shows one note, and "Retry" repeats it. */

import { assertEquals } from "../support/assert.ts";
import { openPage, type Page, startBrowser } from "./browser.ts";
import { startBrowserServer } from "./browser_server.ts";

const GROUPS: readonly {
  readonly module: string;
  readonly path: string;
  open(page: Page): Promise<void>;
  /** What the user then sees. */
  readonly shown: string;
}[] = [
  {
    module: "find",
    path: "/home/two.txt",
    open: (page) => page.keyboard.press("?"),
    shown: "dialog[open]",
  },
  {
    module: "find",
    path: "/home/two.txt",
    open: (page) => page.keyboard.press("/"),
    shown: "dialog[open] [role=option]",
  },
  {
    module: "editing",
    path: "/home/two.txt",
    open: (page) => page.keyboard.press("e"),
    shown: ".code-editor",
  },
  {
    module: "compare",
    path: "/home/two.txt",
    open: (page) => page.getByRole("button", { name: "Compare versions" }).click(),
    shown: ".compare .line.del",
  },
  {
    module: "account",
    path: "/home/two.txt",
    open: (page) => page.locator("#who").click(),
    shown: "dialog[open]",
  },
  {
    module: "manage",
    path: "/home/",
    async open(page) {
      await page.getByRole("button", { name: "New", exact: true }).click();
      await page.getByRole("menuitem", { name: "Other" }).click();
    },
    shown: "dialog[open]",
  },
];

Deno.test("a module that cannot be loaded is loaded by Retry", async (t) => {
  const browser = await startBrowser();
  const server = await startBrowserServer();
  try {
    for (const text of ["one", "two"]) await server.put("/home/two.txt", text);
    for (const { module, path, open, shown } of GROUPS) {
      await t.step(`${module} of ${path}, for ${shown}`, async () => {
        const { page, messages } = await openPage(browser);
        const pattern = `**/${module}.js**`;
        await page.route(pattern, (route) => route.abort());
        await page.goto(server.url + path);
        await page.locator("#who", { hasText: "T2" }).waitFor();
        await page.getByRole("button", { name: path === "/home/" ? "New" : "Compare versions" })
          .first().waitFor();
        await open(page);
        const note = page.locator(".note", { hasText: "A part of this page cannot be loaded" });
        for (let failures = 2; failures > 0; failures--) {
          await note.getByRole("button", { name: "Retry" }).waitFor();
          assertEquals(await page.locator(".note").count(), 1);
          assertEquals(await page.locator(shown).count(), 0);
          if (failures === 1) await page.unroute(pattern);
          await note.getByRole("button", { name: "Retry" }).click();
        }
        await page.locator(shown).first().waitFor();
        assertEquals(await page.locator(".note").count(), 0);
        assertEquals(messages.filter((text) => !text.includes("ERR_FAILED")), []);
        await page.context().close();
      });
    }

    await t.step("server, whose functions are pages", async () => {
      const { page } = await openPage(browser);
      await page.route("**/server.js**", (route) => route.abort());
      await page.goto(`${server.url}/proc/log/`);
      await page.getByText("A part of this page cannot be loaded").waitFor();
      await page.unroute("**/server.js**");
      await page.getByRole("button", { name: "Retry" }).click();
      await page.getByRole("heading", { name: "Changes below" }).waitFor();
      await page.context().close();
    });
  } finally {
    await server.stop();
    await browser.close();
  }
});
