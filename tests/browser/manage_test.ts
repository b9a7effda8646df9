/** Creating, moving, selecting, sending and downloading worlds in the browser. */

import { assert, assertEquals } from "../support/assert.ts";
import { openPage, type Page, startBrowser } from "./browser.ts";
import { startBrowserServer } from "./browser_server.ts";

const SHOTS = new URL("./shots/", import.meta.url).pathname;

/** Both widths, light and dark. */
async function screenshots(page: Page, name: string) {
  for (const colorScheme of ["dark", "light"] as const) {
    for (const width of [390, 1440]) {
      await page.emulateMedia({ colorScheme });
      await page.setViewportSize({ width, height: 900 });
      await page.screenshot({ path: `${SHOTS}${name}-${width}-${colorScheme}.png` });
      const wide = Number(await page.evaluate("document.documentElement.scrollWidth - innerWidth"));
      assert(wide <= 0, `${name} is ${wide}px wider than ${width}px`);
    }
  }
}

Deno.test("the shell creates and manages worlds", async (t) => {
  const browser = await startBrowser();
  const server = await startBrowserServer();
  const { url, approve } = server;

  /** Text of a world. */
  const read = async (path: string) => await (await fetch(`${url}${path}?raw`)).text();

  const status = async (path: string) => {
    const response = await fetch(url + path);
    await response.body?.cancel();
    return response.status;
  };
  /** Opens a page as T3. */
  const openSignedIn = async (path: string) => {
    const opened = await openPage(browser);
    await opened.page.addInitScript(
      `sessionStorage.setItem("elastik.authorization", "Bearer ${approve}")`,
    );
    await opened.page.goto(url + path);
    await opened.page.locator("#live.live").waitFor();
    return opened;
  };

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
      await page.getByLabel("Name", { exact: true }).waitFor();
      await page.keyboard.type("team/shopping-list");
      await page.getByText("Address: /home/notes/team/shopping-list.md").waitFor();
      await page.keyboard.press("Enter");
      await page.waitForURL(`${url}/home/notes/team/shopping-list.md`);
      await page.getByLabel("Text of").waitFor();
      assertEquals(await read("/home/notes/team/shopping-list.md"), "# Shopping list\n\n");
      await page.locator(".cm-focused").waitFor();
      await page.keyboard.type("- milk");
      await page.keyboard.press("Control+s");
      await page.getByText("Saved as version 2").waitFor();
      assertEquals(await read("/home/notes/team/shopping-list.md"), "# Shopping list\n\n- milk");
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

    await t.step("New keeps a world that exists, and the dialog", async () => {
      const { page, messages } = await openPage(browser);
      await page.goto(`${url}/home/notes/`);
      await page.getByRole("button", { name: "New", exact: true }).click();
      await page.getByRole("menuitem", { name: "Note" }).click();
      await page.getByLabel("Name", { exact: true }).fill("plan");
      await page.keyboard.press("Enter");
      await page.getByText("/home/notes/plan.md exists already").waitFor();
      assertEquals(await page.getByLabel("Name", { exact: true }).inputValue(), "plan");
      assertEquals(await read("/home/notes/plan.md"), "# A plan\n");
      assertEquals(messages.filter((line) => !line.includes("412")), []);
      await page.context().close();
    });
    await t.step("More renames a world with its history; what exists is kept", async () => {
      await server.put("/home/move/draft.txt", "first");
      await server.put("/home/move/draft.txt", "second");
      await server.put("/home/move/taken.txt", "taken");
      const { page, messages } = await openSignedIn("/home/move/draft.txt");
      await page.getByRole("button", { name: "More", exact: true }).click();
      await page.getByRole("menuitem", { name: "Rename or move…" }).click();
      await page.getByLabel("New path").fill("/home/move/taken.txt");
      await page.keyboard.press("Enter");
      await page.getByText("1 name exists already").waitFor();
      assertEquals(await read("/home/move/taken.txt"), "taken");
      await page.getByRole("button", { name: "Another name" }).click();
      assertEquals(await page.getByLabel("New path").inputValue(), "/home/move/taken.txt");
      await page.getByLabel("New path").fill("/home/move/final.md");
      await page.screenshot({ path: `${SHOTS}rename-1440-light.png` });
      await page.getByRole("dialog").getByRole("button", { name: "Move" }).click();
      await page.waitForURL(`${url}/home/move/final.md`);
      await page.getByText("version 3", { exact: true }).waitFor();
      await page.getByRole("button", { name: "Show v1" }).waitFor();
      await page.getByRole("button", { name: "Undo" }).click();
      await page.waitForURL(`${url}/home/move/draft.txt`);
      await page.getByText("version 4", { exact: true }).waitFor();
      await page.getByRole("button", { name: "More", exact: true }).press("Enter");
      await page.getByRole("menuitem", { name: "Rename or move…" }).waitFor();
      await page.keyboard.press("Enter");
      await page.getByLabel("New path").fill("/home/move/final.md");
      await page.keyboard.press("Enter");
      await page.waitForURL(`${url}/home/move/final.md`);
      assertEquals(await status("/home/move/draft.txt"), 404);
      assertEquals(messages.filter((line) => !line.includes("412")), []);
      await page.context().close();
    });

    await t.step(
      "rows are selected with Shift and moved together; conflicts ask once",
      async () => {
        for (const name of ["a.txt", "b.txt", "c.txt", "d.txt", "sub/e.txt"]) {
          await server.put(`/home/many/${name}`, name);
        }
        await server.put("/home/other/b.txt", "other b");
        await server.put("/home/other/c.txt", "other c");
        const { page, messages } = await openSignedIn("/home/many/");
        await page.getByLabel("Select b.txt").click();
        await page.getByLabel("Select sub").click({ modifiers: ["Shift"] });
        await page.getByText("4 selected").waitFor();
        await page.getByLabel("Select d.txt").click();
        await page.getByText("3 selected").waitFor();
        await screenshots(page, "selection");
        await page.getByRole("button", { name: "Move…" }).click();
        await page.getByLabel("To the collection").fill("/home/other/");
        await page.getByRole("dialog").getByRole("button", { name: "Move" }).click();
        await page.getByText("2 names exist already").waitFor();
        await page.screenshot({ path: `${SHOTS}move-conflict-1440-light.png` });
        await page.getByRole("button", { name: "Keep both" }).click();
        await page.getByText("2 worlds and 1 collection moved to /home/other/").waitFor();
        await page.getByText("2 entries").waitFor();
        assertEquals(await read("/home/other/b.txt"), "other b");
        assertEquals(await read("/home/other/b (2).txt"), "b.txt");
        assertEquals(await read("/home/other/c (2).txt"), "c.txt");
        assertEquals(await read("/home/other/sub/e.txt"), "sub/e.txt");
        await page.getByRole("button", { name: "Undo" }).click();
        await page.getByText("2 worlds and 1 collection moved back").waitFor();
        await page.getByText("5 entries").waitFor();
        assertEquals(await read("/home/many/b.txt"), "b.txt");
        assertEquals(await read("/home/many/sub/e.txt"), "sub/e.txt");
        assertEquals(await status("/home/other/b%20(2).txt"), 404);
        assertEquals(messages.filter((line) => !line.includes("412")), []);
        await page.context().close();
      },
    );

    await t.step("rows are selected, deleted and renamed with the keyboard only", async () => {
      for (const name of ["a", "b", "c", "d"]) await server.put(`/home/keys/${name}`, name);
      const { page, messages } = await openSignedIn("/home/keys/");
      await page.getByRole("link", { name: "a", exact: false }).first().waitFor();
      await page.getByText("4 entries").waitFor();
      await page.keyboard.press("ArrowDown");
      await page.keyboard.press("x");
      await page.keyboard.press("Shift+ArrowDown");
      await page.getByText("2 selected").waitFor();
      await page.keyboard.press("Delete");
      await page.getByText("2 worlds move to the trash, with the history")
        .waitFor();
      await page.getByRole("dialog").getByRole("button", { name: "Delete" }).press("Enter");
      await page.getByText("2 entries").waitFor();
      // The stream of changes can be faster than the response that closes the dialog.
      await page.getByRole("dialog").waitFor({ state: "hidden" });
      assertEquals(await status("/home/keys/a"), 404);
      assertEquals(await status("/home/keys/c"), 200);
      await page.keyboard.press("End");
      await page.keyboard.press("F2");
      await page.keyboard.type("renamed");
      await page.keyboard.press("Enter");
      await page.getByRole("link", { name: "renamed" }).waitFor();
      await page.getByRole("dialog").waitFor({ state: "hidden" });
      await page.keyboard.press("Control+a");
      await page.getByText("2 selected").waitFor();
      await page.keyboard.press("Escape");
      await page.locator(".selection").waitFor({ state: "hidden" });
      assertEquals(await read("/home/keys/renamed"), "d");
      assertEquals(messages, []);
      await page.context().close();
    });

    await t.step("a world that is a collection too moves as a whole, or without it", async () => {
      await server.put("/home/both/x", "the world");
      await server.put("/home/both/x/below", "below");
      const { page, messages } = await openSignedIn("/home/both/");
      const rename = async (from: string, to: string, isWhole: boolean) => {
        await page.getByRole("button", { name: `Actions for ${from}` }).click();
        await page.getByRole("menuitem", { name: "Rename or move…" }).click();
        await page.getByLabel("Also everything below it").setChecked(isWhole);
        await page.getByLabel("New path").fill(to);
        await page.keyboard.press("Enter");
        await page.getByText(`is now ${to}`).waitFor();
      };
      await rename("x", "/home/both/y", true);
      assertEquals(await read("/home/both/y"), "the world");
      assertEquals(await read("/home/both/y/below"), "below");
      assertEquals(await status("/home/both/x/below"), 404);
      await page.getByRole("link", { name: "y/, also a collection" }).waitFor();
      await rename("y", "/home/both/z", false);
      assertEquals(await read("/home/both/z"), "the world");
      assertEquals(await read("/home/both/y/below"), "below");
      assertEquals(messages, []);
      await page.context().close();
    });

    await t.step("the menu of a row renames a collection and copies links", async () => {
      await server.put("/home/tree/one/deep/x.txt", "x");
      await server.put("/home/tree/one.txt", "y");
      const { page, messages } = await openSignedIn("/home/tree/");
      await page.context().grantPermissions(["clipboard-read", "clipboard-write"]);
      await page.getByRole("button", { name: "Actions for one", exact: true }).click();
      await page.getByRole("menuitem", { name: "Copy link" }).click();
      await page.getByText("Link copied").waitFor();
      assertEquals(
        await page.evaluate("navigator.clipboard.readText()"),
        `${url}/home/tree/one/`,
      );
      await page.getByRole("button", { name: "Actions for one", exact: true }).click();
      await page.getByRole("menuitem", { name: "Rename or move…" }).click();
      await page.getByLabel("New path").fill("/home/tree/two/");
      await page.keyboard.press("Enter");
      await page.getByRole("link", { name: "two/" }).waitFor();
      await page.getByRole("link", { name: "one/" }).waitFor({ state: "detached" });
      assertEquals(await read("/home/tree/two/deep/x.txt"), "x");
      assertEquals(messages, []);
      await page.context().close();
    });

    await t.step("a caller without the right to move sees the reason", async () => {
      const { page, messages } = await openPage(browser);
      await page.goto(`${url}/home/tree/`);
      await page.getByRole("button", { name: "Actions for two" }).click();
      const item = page.getByRole("menuitem", { name: "Rename or move…" });
      assertEquals(await item.getAttribute("aria-disabled"), "true");
      assert((await item.textContent())?.includes("T3"), "the reason names T3");
      assertEquals(messages, []);
      await page.context().close();
    });
    await t.step("a capability that can only read sees why it cannot create", async () => {
      const minted = await fetch(`${url}/auth/mint?prefix=/home/tree&mode=r`, {
        method: "POST",
        headers: { authorization: `Bearer ${approve}` },
      });
      const { token } = await minted.json();
      const { page, messages } = await openPage(browser);
      await page.addInitScript(
        `sessionStorage.setItem("elastik.authorization", "Bearer ${token}")`,
      );
      await page.goto(`${url}/home/tree/`);
      const button = page.getByRole("button", { name: "New", exact: true });
      await page.locator("button.new[aria-disabled=true]").waitFor();
      await button.click({ force: true });
      await page.locator(".note").getByText("covers /home/tree with mode r").waitFor();
      assertEquals(await page.getByRole("menu").count(), 0);
      assertEquals(messages, []);
      await page.context().close();
    });
  } finally {
    await browser.close();
    await server.stop();
  }
});
