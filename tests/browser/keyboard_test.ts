/**
 * The work of an hour with the keyboard only, in Chromium. After a page is opened, everything is done with
 * `page.keyboard`; the other calls only read what the page shows.
 */

import { assert, assertEquals } from "../support/assert.ts";
import { openPage, type Page, startBrowser } from "./browser.ts";
import { startBrowserServer } from "./browser_server.ts";

/** What a screen reader would say of the focused element. */
const FOCUSED = `(() => {
  const node = document.activeElement;
  const label = node.getAttribute("aria-label") ?? node.labels?.[0]?.textContent ?? node.textContent;
  return label.trim().replace(/\\s+/g, " ");
})()`;

const MAX_TABS = 90;
/** Time for an element to appear, in milliseconds: what comes after a response can come late. */
const GIVE_UP_MS = 60_000;

/**
 * Presses Tab until the focused element has a name.
 *
 * @throws if no element that Tab reaches has it
 */
async function tabTo(page: Page, name: string | RegExp, key = "Tab"): Promise<void> {
  const end = performance.now() + GIVE_UP_MS;
  const passed: string[] = [];
  while (passed.length < MAX_TABS || performance.now() < end) {
    await page.keyboard.press(key);
    const found = String(await page.evaluate(FOCUSED));
    if (typeof name === "string" ? found === name : name.test(found)) return;
    passed.push(found.slice(0, 30));
  }
  const last = passed.slice(-MAX_TABS).join(" | ");
  throw new Error(`Cannot reach ${name} with ${key}: it passed ${last}`);
}

async function press(page: Page, ...keys: string[]): Promise<void> {
  for (const key of keys) await page.keyboard.press(key);
}

/** The browser logs an error status on the console, whatever the page does with it. */
const isOther = (line: string) => !line.startsWith("Failed to load resource");

Deno.test("the shell can be used with the keyboard only", async (t) => {
  const browser = await startBrowser();
  const server = await startBrowserServer();
  const { url, approve } = server;
  const read = async (path: string) => await (await fetch(`${url}${path}?raw`)).text();
  const step = (title: string, path: string, run: (page: Page) => Promise<void>, token = approve) =>
    t.step(title, async () => {
      const { page, messages } = await openPage(browser);
      await page.context().grantPermissions(["clipboard-read", "clipboard-write"]);
      if (token !== "") {
        await page.addInitScript(
          `if (origin !== "null") sessionStorage.setItem("elastik.authorization", "Bearer ${token}")`,
        );
      }
      await page.goto(url + path);
      await page.locator("#live.live").waitFor();
      await run(page);
      assertEquals(messages.filter(isOther), []);
      await page.context().close();
    });

  try {
    await server.put("/home/notes/plan.txt", "first\n");
    await server.put("/home/notes/plan.txt", "second\n");
    await server.put("/home/table.csv", "name,n\nzoe,10\nada,9\n");
    await server.put("/home/data.json", '{"list":[{"deep":{"id":1}}]}');
    await server.put("/etc/note.txt", "note\n");
    for (const name of ["a", "b"]) await server.put(`/home/from/${name}.txt`, name);
    await server.put("/home/old.txt", new Uint8Array([0x67, 0x72, 0xfc, 0x6e]));
    await server.put(
      "/lib/lamp?ext=ts",
      "export const routes = ['/dev/lamp'];\nexport default { fetch: () => new Response('on') };\n",
    );
    await server.put("/home/links.html", '<a href="/home/table.csv">to the table</a>');

    await step(
      "a conflict is compared, and the text is saved",
      "/home/notes/plan.txt",
      async (page) => {
        await press(page, "e");
        await page.locator(".code-editor").waitFor();
        await page.keyboard.type("mine ");
        await server.put("/home/notes/plan.txt", "theirs\n");
        await press(page, "Control+s");
        await page.locator(".conflict").waitFor();
        await press(page, "Escape");
        await tabTo(page, "Replace version 3");
        await press(page, "Enter");
        await page.getByText("version 4", { exact: true }).waitFor();
        assertEquals(await read("/home/notes/plan.txt"), "mine second\n");
      },
    );

    await step(
      "unsaved text is asked about, and discarded",
      "/home/notes/plan.txt",
      async (page) => {
        await press(page, "e");
        await page.locator(".code-editor").waitFor();
        await page.keyboard.type("lost ");
        await press(page, "Escape");
        await tabTo(page, "Cancel");
        await press(page, "Enter");
        await page.getByRole("dialog").getByText("is not saved").waitFor();
        await press(page, "Escape");
        await page.getByRole("dialog").waitFor({ state: "detached" });
        // The focus is in the text again.
        await page.keyboard.type("more ");
        await press(page, "Escape");
        await tabTo(page, "Cancel");
        await press(page, "Enter");
        await page.getByRole("dialog").waitFor();
        await tabTo(page, "Discard the text");
        await press(page, "Enter");
        await page.locator(".editor").waitFor({ state: "detached" });
      },
    );

    await step(
      "a version is shown, compared, restored and undone",
      "/home/notes/plan.txt",
      async (page) => {
        await page.getByRole("button", { name: "Show v1" }).waitFor();
        await tabTo(page, "Show v1");
        await press(page, "Enter");
        await page.getByRole("region", { name: "Version 1" }).waitFor();
        await tabTo(page, "Compare with the current version");
        await press(page, "Enter");
        await page.getByRole("region", { name: "Comparison of versions" }).locator("ins").first()
          .waitFor();
        await tabTo(page, "Unified");
        await press(page, "Enter", "Escape");
        await page.getByRole("region", { name: "Comparison of versions" }).waitFor({
          state: "detached",
        });
        await page.getByRole("button", { name: "Show v1" }).waitFor();
        await tabTo(page, "Show v1");
        await press(page, "Enter");
        await page.getByRole("region", { name: "Version 1" }).waitFor();
        await tabTo(page, "Restore");
        await press(page, "Enter");
        await page.getByText("version 5", { exact: true }).waitFor();
        await tabTo(page, "Undo");
        await press(page, "Enter");
        await page.getByText("version 6", { exact: true }).waitFor();
        assertEquals(await read("/home/notes/plan.txt"), "mine second\n");
      },
    );

    await step(
      "a deletion is undone, and the trash restores",
      "/home/notes/plan.txt",
      async (page) => {
        await page.getByText("verified").waitFor();
        await tabTo(page, "Delete");
        await press(page, "Enter");
        await page.getByRole("dialog").waitFor();
        await press(page, "Enter");
        await page.getByText("This world was deleted").waitFor();
        await tabTo(page, "Undo");
        await press(page, "Enter");
        await page.getByText("version 7", { exact: true }).waitFor();
        await tabTo(page, "Delete");
        await press(page, "Enter");
        await page.getByRole("dialog").waitFor();
        await press(page, "Enter");
        await page.getByText("This world was deleted").waitFor();
        await page.goto(`${url}/proc/trash/`);
        await page.getByText("/home/notes/plan.txt").waitFor();
        await tabTo(page, "Restore home/notes/plan.txt");
        await press(page, "Enter");
        await page.locator(".trash-list li").waitFor({ state: "detached" });
        assertEquals(await read("/home/notes/plan.txt"), "mine second\n");
      },
    );

    await step(
      "a table is created from the home page, renamed, and its link copied",
      "/",
      async (page) => {
        await tabTo(page, "New");
        await press(page, "Enter");
        await page.getByRole("menu").waitFor();
        await press(page, "ArrowDown", "ArrowDown", "Enter");
        await page.getByLabel("Name", { exact: true }).waitFor();
        await page.keyboard.type("costs");
        await press(page, "Enter");
        await page.waitForURL(`${url}/home/costs.csv`);
        await page.locator(".code-editor").waitFor();
        await press(page, "Escape");
        await page.locator(".editor").waitFor({ state: "detached" });
        await page.getByText("verified").waitFor();
        await tabTo(page, "More");
        await press(page, "Enter");
        await page.getByRole("menu").waitFor();
        await press(page, "r", "Enter");
        await page.getByLabel("New path").waitFor();
        await press(page, "Control+a");
        await page.keyboard.type("/home/spent.csv");
        await press(page, "Enter");
        await page.waitForURL(`${url}/home/spent.csv`);
        await page.getByText("verified").waitFor();
        await tabTo(page, "More");
        await press(page, "Enter");
        await page.getByRole("menuitem", { name: "Copy link" }).waitFor();
        await press(page, "c", "Enter");
        await page.getByText("Link copied").waitFor();
        assertEquals(
          await page.evaluate("navigator.clipboard.readText()"),
          `${url}/home/spent.csv`,
        );
      },
    );

    await step("rows are downloaded, and files chosen for an upload", "/home/", async (page) => {
      await page.getByRole("link", { name: "data.json" }).waitFor();
      await tabTo(page, "Upload");
      const chosen = page.waitForEvent("filechooser");
      await press(page, "Enter");
      assert((await chosen).isMultiple());
      await press(page, "ArrowDown", "x", "Shift+ArrowDown");
      await page.getByText("2 selected").waitFor();
      await tabTo(page, /^Download/, "Shift+Tab");
      const download = page.waitForEvent("download");
      await press(page, "Enter");
      assert((await download).suggestedFilename().endsWith(".zip"));
    });

    await step(
      "a token is kept on the computer, and ended by signing out",
      "/home/table.csv",
      async (page) => {
        await tabTo(page, /^Sign in/);
        await press(page, "Enter");
        await page.getByRole("dialog").waitFor();
        await page.keyboard.type(approve);
        await tabTo(page, /^Keep me signed in/);
        await press(page, "Space", "Enter");
        await page.getByRole("button", { name: "T3" }).waitFor();
        assertEquals(
          await page.evaluate("[sessionStorage.length, localStorage.length].join()"),
          "0,1",
        );
        await tabTo(page, /^T3/);
        await press(page, "Enter");
        await page.getByRole("dialog").waitFor();
        await tabTo(page, "Sign out in all tabs");
        await press(page, "Enter");
        await page.getByRole("button", { name: "Sign in" }).waitFor();
        assertEquals(await page.evaluate("localStorage.length"), 0);
      },
      "",
    );

    await step("an agent gets a capability, and the tree opens", "/", async (page) => {
      await tabTo(page, "Contents of home/notes");
      await press(page, "Enter");
      await page.locator(".spaces").getByRole("link", { name: "plan.txt" }).waitFor();
      await tabTo(page, "Tell any AI…");
      await press(page, "Enter");
      await page.getByRole("dialog").waitFor();
      await page.keyboard.type("kestrel");
      await press(page, "Enter");
      await page.getByLabel("Tell any AI", { exact: true }).waitFor();
      await tabTo(page, "Copy: Tell any AI");
      await press(page, "Enter");
      await page.getByText("Copied").waitFor();
      assert(String(await page.evaluate("navigator.clipboard.readText()")).includes("kestrel"));
    });

    await step(
      "a table is sorted, JSON expanded, a link of a page opened",
      "/home/table.csv",
      async (page) => {
        await page.locator("td", { hasText: "zoe" }).waitFor();
        await tabTo(page, /^n\b/);
        await press(page, "Enter");
        assertEquals(await page.locator("tbody td").first().textContent(), "ada");
        await page.goto(`${url}/home/data.json`);
        await page.locator(".json details").first().waitFor();
        await tabTo(page, "Expand all");
        await press(page, "Enter");
        await page.locator(".json").getByText("id").first().waitFor();
        await page.goto(`${url}/home/links.html`);
        const link = page.frameLocator(".stage iframe").getByText("to the table");
        await link.waitFor();
        // The focus enters the frame, which is in a process of its own, after the key.
        const isFocused = async () =>
          await page.evaluate("document.activeElement.tagName") === "IFRAME" &&
          await link.evaluate((node) => node === node.ownerDocument.activeElement);
        for (let left = MAX_TABS; left > 0 && !await isFocused(); left--) {
          await press(page, "Tab");
          for (let checks = 10; checks > 0 && !await isFocused(); checks--) {
            if (await page.evaluate("document.activeElement.tagName") !== "IFRAME") break;
            await page.waitForTimeout(50);
          }
        }
        await press(page, "Enter");
        await page.locator(".link-bar:focus").waitFor();
        await press(page, "Tab", "Enter");
        await page.waitForURL(`${url}/home/table.csv`);
        await page.locator("td", { hasText: "zoe" }).waitFor();
        await press(page, "f");
        await page.locator(".full-bar").waitFor();
        await press(page, "Escape");
        await page.locator(".full-bar").waitFor({ state: "detached" });
        await press(page, "?");
        await page.getByRole("dialog", { name: "Keys" }).waitFor();
        await press(page, "Escape");
        await page.getByRole("dialog").waitFor({ state: "detached" });
      },
    );

    await step(
      "a refused save is followed by signing in",
      "/etc/note.txt",
      async (page) => {
        await press(page, "e");
        await page.locator(".code-editor").waitFor();
        await page.keyboard.type("kept ");
        await page.evaluate("sessionStorage.removeItem('elastik.authorization')");
        await press(page, "Control+s");
        await page.locator(".notice").getByText("Not saved.").waitFor();
        await press(page, "Escape");
        await tabTo(page, "Sign in");
        await press(page, "Enter");
        await page.getByRole("dialog").waitFor();
        await page.keyboard.type(approve);
        await press(page, "Enter");
        await page.getByText("version 2", { exact: true }).waitFor();
        assertEquals(await read("/etc/note.txt"), "kept note\n");
      },
    );

    await step("a name that is not found becomes a note", "/home/", async (page) => {
      await press(page, "/");
      await page.keyboard.type("zebra");
      await page.getByRole("dialog").getByText("Nothing found").waitFor();
      await page.getByRole("option", { name: "/home/zebra" }).waitFor();
      await press(page, "Enter");
      await page.getByText("Nothing is here yet").waitFor();
      await tabTo(page, "Note");
      await press(page, "Enter");
      await page.locator(".code-editor").waitFor();
      await press(page, "Control+End");
      await page.keyboard.type("text");
      await press(page, "Control+s");
      await page.getByText("Saved as version 2").waitFor();
      assertEquals(await read("/home/zebra"), "# Zebra\n\ntext");
    });

    await step(
      "rows are moved, and the collection they are in is downloaded",
      "/home/from/",
      async (page) => {
        await page.getByText("2 entries").waitFor();
        await press(page, "ArrowDown", "x", "Shift+ArrowDown");
        await page.getByText("2 selected").waitFor();
        await tabTo(page, "Move…", "Shift+Tab");
        await press(page, "Enter");
        await page.getByLabel("To the collection").waitFor();
        await press(page, "Control+a");
        await page.keyboard.type("/home/to/");
        await press(page, "Enter");
        await page.getByText("2 worlds moved to /home/to/").waitFor();
        assertEquals(await read("/home/to/b.txt"), "b");
        await page.goto(`${url}/home/to/`);
        await page.getByText("2 entries").waitFor();
        const choose = async (item: string) => {
          await tabTo(page, "More");
          await press(page, "Enter");
          await page.getByRole("menuitem", { name: item }).waitFor();
          while (!String(await page.evaluate(FOCUSED)).startsWith(item)) {
            await press(page, "ArrowDown");
          }
        };
        await choose("Download as zip");
        const download = page.waitForEvent("download");
        await press(page, "Enter");
        assertEquals((await download).suggestedFilename(), "to.zip");
        await page.goto(`${url}/home/to/`);
        await page.getByText("2 entries").waitFor();
        await choose("Upload a folder");
        const chosen = page.waitForEvent("filechooser");
        await press(page, "Enter");
        await chosen;
      },
    );

    await step("a plugin is approved", "/lib/lamp", async (page) => {
      await page.getByRole("button", { name: "Activate…" }).waitFor();
      await tabTo(page, "Activate…");
      await press(page, "Enter");
      await page.getByRole("dialog").getByText("It answers at /dev/lamp").waitFor();
      await tabTo(page, "Activate");
      await press(page, "Enter");
      await page.getByText("Its routes are up").waitFor();
      await page.goto(`${url}/dev/`);
      await page.getByRole("link", { name: "lamp" }).waitFor();
      await tabTo(page, /^lamp/);
      await press(page, "Enter");
      await page.waitForURL(`${url}/dev/lamp`);
    });

    await step(
      "a table is filtered, JSON searched, an encoding chosen",
      "/home/table.csv",
      async (page) => {
        await page.locator("td", { hasText: "zoe" }).waitFor();
        await tabTo(page, "Filter the rows");
        await page.keyboard.type("zoe");
        await page.getByText("1 of 2 rows").waitFor();
        await page.goto(`${url}/home/data.json`);
        await page.locator(".json details").first().waitFor();
        await tabTo(page, "Find in the JSON");
        await page.keyboard.type("id");
        await page.locator(".match").first().waitFor();
        await page.goto(`${url}/home/old.txt`);
        await page.getByLabel("Encoding").waitFor();
        await tabTo(page, /^Encoding/);
        while (await page.getByLabel("Encoding").inputValue() !== "windows-1251") {
          await press(page, "ArrowDown");
        }
        await page.locator(".code .text", { hasText: "gr\u044cn" }).waitFor();
      },
    );
  } finally {
    await browser.close();
    await server.stop();
  }
});
