/** Creating, moving, selecting, sending and downloading worlds in the browser. */

import { assert, assertEquals } from "../support/assert.ts";
import { openPage, startBrowser } from "./browser.ts";
import { startBrowserServer } from "./browser_server.ts";

const SHOTS = new URL("./shots/", import.meta.url).pathname;

Deno.test("the shell creates and manages worlds", async (t) => {
  const browser = await startBrowser();
  const server = await startBrowserServer();
  const { url } = server;

  /** Text of a world. */
  const read = async (path: string) => await (await fetch(`${url}${path}?raw`)).text();

  try {
    await t.step("New writes a note with a title and opens its editor, by keyboard", async () => {
      await server.put("/home/notes/plan.md", "# A plan\n");
      const { page, messages } = await openPage(browser);
      await page.goto(`${url}/home/notes/`);
      await page.getByRole("link", { name: "plan.md" }).waitFor();
      await page.getByRole("button", { name: "New", exact: true }).focus();
      await page.keyboard.press("Enter");
      await page.getByRole("menuitem", { name: "Page" }).waitFor();
      await page.screenshot({ path: `${SHOTS}new-menu-1440-light.png` });
      await page.keyboard.press("ArrowDown");
      await page.keyboard.press("Enter");
      await page.keyboard.type("team/shopping-list");
      await page.getByText("Address: /home/notes/team/shopping-list.md").waitFor();
      await page.keyboard.press("Enter");
      await page.waitForURL(`${url}/home/notes/team/shopping-list.md`);
      await page.getByLabel("Text of").waitFor();
      assertEquals(await read("/home/notes/team/shopping-list.md"), "# Shopping list\n\n");
      assertEquals(messages, []);
      await page.context().close();
    });

    await t.step("New page and New table have a content of their type", async () => {
      for (
        const [kind, name, ext, content] of [
          ["Page", "a <b> & c", "html", "<h1>A &#60;b&#62; &#38; c</h1>"],
          ["Table", "costs", "csv", "Name,Amount,Note\n,,\n"],
        ] as const
      ) {
        const { page, messages } = await openPage(browser);
        await page.goto(`${url}/home/notes/`);
        await page.getByRole("button", { name: "New", exact: true }).click();
        await page.getByRole("menuitem", { name: kind }).click();
        await page.getByLabel("Name", { exact: true }).fill(name);
        if (name.includes("<")) {
          await page.getByText("A name cannot contain <").waitFor();
          await page.getByLabel("Name", { exact: true }).fill("plain & simple");
        }
        await page.getByRole("button", { name: "Create" }).click();
        await page.getByLabel("Text of").waitFor();
        const path = decodeURIComponent(new URL(page.url()).pathname);
        assert(path.endsWith(`.${ext}`), path);
        const text = await read(new URL(page.url()).pathname);
        assert(text.includes(name.includes("<") ? "<h1>Plain &#38; simple</h1>" : content), text);
        assertEquals(messages, []);
        await page.context().close();
      }
    });

    await t.step("New offers to open a world that exists, and keeps the dialog", async () => {
      const { page, messages } = await openPage(browser);
      await page.goto(`${url}/home/notes/`);
      await page.getByRole("button", { name: "New", exact: true }).click();
      await page.getByRole("menuitem", { name: "Note" }).click();
      await page.getByLabel("Name", { exact: true }).fill("plan");
      await page.keyboard.press("Enter");
      await page.getByText("/home/notes/plan.md exists already").waitFor();
      await page.getByRole("link", { name: "open it" }).click();
      await page.getByRole("heading", { name: "A plan" }).waitFor();
      assertEquals(messages.filter((line) => !line.includes("412")), []);
      await page.context().close();
    });
  } finally {
    await browser.close();
    await server.stop();
  }
});
