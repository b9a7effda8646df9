/** Undo, the trash, earlier versions and their comparison, in Chromium. */

import { assert, assertEquals, assertMatch } from "../support/assert.ts";
import { type Browser, openPage, startBrowser, untilTrue } from "./browser.ts";
import { type BrowserServer, startBrowserServer } from "./browser_server.ts";

const PLAN = "home/notes/plan.md";

Deno.test("versions and deleted worlds are compared, restored and undone", async (t) => {
  const browser = await startBrowser();
  const server = await startBrowserServer();
  try {
    await server.put(`/${PLAN}`, plan("A plan"), { "x-meta-author": "ada" });
    await server.put(`/${PLAN}`, plan("A better plan"), { "x-meta-author": "bob" });
    for (const { title, run } of STEPS) {
      await t.step(title, async () => {
        const { page, messages } = await openPage(browser);
        await page.addInitScript(
          `sessionStorage.setItem("elastik.authorization", "Bearer ${server.approve}")`,
        );
        await run({ page, server, browser });
        assertEquals(messages.filter(isNotErrorStatus), []);
        await page.context().close();
      });
    }
  } finally {
    await server.stop();
    await browser.close();
  }
});

interface StepContext {
  readonly page: Awaited<ReturnType<typeof openPage>>["page"];
  readonly server: BrowserServer;
  readonly browser: Browser;
}

const STEPS: readonly { title: string; run(context: StepContext): Promise<void> }[] = [
  {
    title: "an earlier version is marked and shows size, hash, time, author and metadata",
    async run({ page, server }) {
      await page.goto(`${server.url}/${PLAN}`);
      await page.getByRole("button", { name: "Show v1" }).click();
      const banner = page.getByRole("region", { name: "Version 1" });
      await banner.getByText("Version 1: an earlier version").waitFor();
      const bytes = new TextEncoder().encode(plan("A plan"));
      const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)).toHex();
      for (const text of [hash, `(${bytes.length} bytes)`, "T3", "ada"]) {
        await banner.getByText(text).waitFor();
      }
      await page.getByRole("heading", { name: /^A plan/ }).waitFor();
      assertEquals(new URL(page.url()).search, "?at=1");
      await page.reload();
      await banner.waitFor();
      const shown = page.locator(".events [aria-current]");
      await shown.waitFor();
      assertEquals(await shown.allTextContents(), ["v1"]);
      await banner.getByRole("button", { name: "Back to the current version" }).click();
      await banner.waitFor({ state: "detached" });
      await page.getByRole("heading", { name: "A better plan" }).waitFor();
      assertEquals(new URL(page.url()).search, "");
      assertEquals(await shown.count(), 0);
    },
  },
  {
    title: "two versions are compared side by side and unified, with words marked",
    async run({ page, server }) {
      await page.goto(`${server.url}/${PLAN}?at=1`);
      await page.getByRole("button", { name: "Compare with the current version" }).click();
      const compare = page.getByRole("region", { name: "Comparison of versions" });
      await compare.getByText("2 lines added, 2 lines removed").waitFor();
      await compare.locator("ins", { hasText: "better" }).first().waitFor();
      assertEquals(await compare.locator(".split-diff").count(), 1);
      await compare.getByRole("row", { name: "author ada bob" }).waitFor();
      await page.getByRole("button", { name: "Unified" }).click();
      assertEquals(await compare.locator(".split-diff").count(), 0);
      await compare.getByText("removed: ").first().waitFor({ state: "attached" });

      const gap = compare.getByRole("button", { name: "unchanged lines" }).first();
      await gap.click();
      await compare.getByText("Line 7", { exact: true }).waitFor();
      await compare.getByRole("button", { name: "Swap the versions" }).click();
      await compare.locator("del", { hasText: "better" }).first().waitFor();
      assertEquals(new URL(page.url()).search, "?compare=2..1");
      await page.reload();
      await compare.locator("del", { hasText: "better" }).first().waitFor();
      await compare.getByLabel("From version", { exact: true }).selectOption("1");
      await compare.getByText("Both versions are the same.").waitFor();
      await page.keyboard.press("Escape");
      await page.getByRole("heading", { name: "A better plan" }).waitFor();
    },
  },
  {
    title: "versions that are not text show what else differs",
    async run({ page, server }) {
      await server.put("/home/pic.bin", new Uint8Array([255, 0, 1]));
      await server.put("/home/pic.bin", new Uint8Array([255, 0]));
      await page.goto(`${server.url}/home/pic.bin?compare=1..2`);
      await page.getByText("These versions are not text").waitFor();
      await page.getByRole("row", { name: "size 3 B 2 B" }).waitFor();
    },
  },
  {
    title: "markup in a version, its metadata and its name is compared as text",
    async run({ page, server }) {
      const markup = (word: string) => `<img src=x onerror="hacked=1"><b>${word}</b>\n`;
      const path = `/home/${encodeURIComponent("b&img=1;'onload'.txt")}`;
      await server.put(path, markup("one"), { "x-meta-note": "<b>old</b>" });
      await server.put(path, markup("two"), { "x-meta-note": "<script>hacked=1</script>" });
      for (const query of ["?compare=1..2", "?at=1"]) {
        await page.goto(`${server.url}${path}${query}`);
        await page.locator("main").getByText("<b>old</b>").first().waitFor();
        await page.locator("main").getByText("onerror").first().waitFor();
        assertEquals(await page.locator("main :is(img, b, script)").count(), 0);
        assertEquals(await page.evaluate("globalThis.hacked"), undefined);
      }
    },
  },
  {
    title: "large versions are compared in parts",
    async run({ page, server }) {
      const lines = (word: string) =>
        Array.from({ length: 20_000 }, (_, at) => `${at} ${word} text\n`).join("");
      await server.put("/home/large.txt", `${"x".repeat(300_000)}\n${lines("old")}`);
      await server.put("/home/large.txt", `${"x".repeat(300_000)}y\n${lines("new")}`);
      await page.goto(`${server.url}/home/large.txt?compare=1..2`);
      await page.getByText("20,001 lines added, 20,001 lines removed").waitFor();
      await page.locator("ins").first().waitFor();
      assert((await page.locator("tr .line").first().innerText()).length < 2000);
      assertEquals(await page.locator(".diff tr").count(), 1001);
      await page.getByRole("button", { name: "Show more (19,001 rows left)" }).click();
      await page.getByRole("button", { name: "Show more (18,001 rows left)" }).waitFor();
    },
  },
  {
    title: "restoring a version can be undone",
    async run({ page, server }) {
      await page.goto(`${server.url}/${PLAN}?at=1`);
      await page.getByRole("button", { name: "Restore", exact: true }).click();
      await page.getByText("version 3", { exact: true }).waitFor();
      await page.getByRole("heading", { name: /^A plan/ }).waitFor();
      // The button Restore is gone.
      await untilTrue(page, "document.activeElement.id === 'main'");
      await page.getByRole("button", { name: "Undo" }).click();
      await page.getByText("version 4", { exact: true }).waitFor();
      await page.getByRole("heading", { name: "A better plan" }).waitFor();
    },
  },
  {
    title: "a deletion can be undone with the keyboard",
    async run({ page, server }) {
      await page.goto(`${server.url}/${PLAN}`);
      await page.getByRole("button", { name: "Delete" }).click();
      await page.getByRole("dialog").waitFor();
      await page.keyboard.press("Enter");
      await page.getByText("This world was deleted").waitFor();
      await page.getByRole("button", { name: "Undo" }).focus();
      await page.keyboard.press("Enter");
      await page.getByText("version 5", { exact: true }).waitFor();
      assertEquals((await read(server, `/${PLAN}?raw`)).text, plan("A better plan"));
      await page.getByText("restored from the trash").waitFor();
    },
  },
  {
    title: "the deletion of a collection can be undone",
    async run({ page, server }) {
      for (const name of ["a", "b", "c"]) await server.put(`/home/pile/${name}.txt`, name);
      await page.goto(`${server.url}/home/pile/`);
      await page.getByRole("button", { name: "More" }).click();
      await page.getByRole("menuitem", { name: "Delete" }).click();
      await page.getByRole("dialog").getByRole("button", { name: "Delete" }).click();
      await page.getByText("3 worlds deleted").waitFor();
      await page.getByRole("button", { name: "Undo" }).click();
      await page.getByText("3 worlds restored").waitFor();
      assertEquals((await read(server, "/home/pile/b.txt?raw")).text, "b");
    },
  },
  {
    title: "the focus stays in the list after the deletion of a row, and of selected rows",
    async run({ page, server }) {
      for (const name of ["a", "b", "c", "d"]) await server.put(`/home/rows/${name}.txt`, name);
      await page.goto(`${server.url}/home/rows/`);
      await page.getByRole("link", { name: "b.txt" }).focus();
      await page.keyboard.press("Delete");
      await page.getByRole("dialog").waitFor();
      await page.keyboard.press("Enter");
      await page.getByText("3 entries").waitFor();
      await untilTrue(page, "document.activeElement.pathname === '/home/rows/c.txt'");
      await page.getByRole("checkbox", { name: "a.txt" }).check();
      await page.getByRole("checkbox", { name: "d.txt" }).check();
      await page.locator(".selection").getByRole("button", { name: "Delete" }).click();
      await page.getByRole("dialog").waitFor();
      await page.keyboard.press("Enter");
      await page.getByText("1 entry").waitFor();
      await untilTrue(page, "document.activeElement.id === 'main'");
      await page.keyboard.press("ArrowDown");
      assertEquals(await page.evaluate("document.activeElement.pathname"), "/home/rows/c.txt");
    },
  },
  {
    title: "the page of a deleted world offers to restore it",
    async run({ page, server }) {
      await server.put("/home/gone.txt", "back");
      await remove(server, "/home/gone.txt");
      await page.goto(`${server.url}/home/gone.txt`);
      await page.getByText("Version 1 is in the trash").waitFor();
      await page.getByRole("button", { name: "Restore" }).click();
      await page.getByText("version 2", { exact: true }).waitFor();
    },
  },
  {
    title: "the trash lists, filters, restores, also under another name, and deletes for good",
    async run({ page, server }) {
      const names = ["one", "two", "three", "four", "five"].map((one) => `home/bin/${one}.txt`);
      for (const name of [...names, "home/other.txt"]) {
        await server.put(`/${name}`, name);
        await remove(server, `/${name}`);
      }
      await page.goto(`${server.url}/proc/trash/`);
      await page.getByText("30 days after it was moved here").waitFor();
      await page.getByText("/home/other.txt").waitFor();
      await page.getByLabel("Below the path").fill("/home/bin");
      await page.keyboard.press("Enter");
      await page.getByText("5 deleted worlds").waitFor();
      assertEquals(new URL(page.url()).pathname, "/proc/trash/home/bin/");

      await page.getByRole("button", { name: "Restore home/bin/one.txt" }).click();
      await page.getByText("4 deleted worlds").waitFor();
      assertEquals((await read(server, "/home/bin/one.txt?raw")).text, "home/bin/one.txt");

      await page.getByRole("button", { name: "Actions for home/bin/two.txt" }).click();
      await page.getByRole("menuitem", { name: "Restore as…" }).click();
      await page.getByLabel("Path", { exact: true }).last().fill("/home/bin/one.txt");
      await page.keyboard.press("Enter");
      await page.getByText("a world exists there").waitFor();
      await page.getByRole("dialog").getByLabel("Path").fill("/home/bin/second.md");
      await page.keyboard.press("Enter");
      await page.getByText("3 deleted worlds").waitFor();
      assertEquals((await read(server, "/home/bin/second.md?raw")).text, "home/bin/two.txt");

      await page.getByRole("button", { name: "Actions for home/bin/three.txt" }).click();
      await page.getByRole("menuitem", { name: "Delete for good" }).click();
      await page.getByRole("dialog").getByRole("button", { name: "Delete for good" }).click();
      await page.getByText("1 world deleted for good").waitFor();
      await page.getByText("2 deleted worlds").waitFor();
      assert(!(await read(server, "/proc/trash/home/bin/")).text.includes("three"));

      await page.getByLabel("Select all").check();
      await page.getByText("2 selected").waitFor();
      await page.getByRole("group", { name: "Selected worlds" })
        .getByRole("button", { name: "Restore" }).click();
      await page.getByText("has no worlds below /home/bin/").waitFor();
      assertEquals((await read(server, "/home/bin/five.txt?raw")).status, 200);
    },
  },
  {
    title: "a list of the trash from before a restoration does not bring the row back",
    async run({ page, server }) {
      for (const one of ["one", "two"]) await server.put(`/home/late/${one}.txt`, one);
      await remove(server, "/home/late/one.txt");
      await page.goto(`${server.url}/proc/trash/home/late/`);
      await page.getByText("1 deleted world", { exact: true }).waitFor();
      let isLate = true;
      const restored = Promise.withResolvers<void>();
      const read = Promise.withResolvers<void>();
      const shown = Promise.withResolvers<void>();
      await page.route("**/proc/trash/home/late/**", async (route) => {
        if (!isLate) return route.fallback();
        isLate = false;
        const response = await route.fetch();
        read.resolve();
        await restored.promise;
        await route.fulfill({ response });
        shown.resolve();
      });
      await remove(server, "/home/late/two.txt");
      await read.promise;
      await page.getByRole("button", { name: "Restore home/late/one.txt" }).click();
      await page.getByText("has no worlds below /home/late/").waitFor();
      await page.evaluate(`{
        const list = document.querySelector(".trash-list");
        globalThis.isBack = false;
        new MutationObserver(() => {
          if (list.querySelector("[aria-label='Restore home/late/one.txt']")) globalThis.isBack = true;
        }).observe(list, { childList: true });
      }`);
      restored.resolve();
      await shown.promise;
      await page.getByText("1 deleted world", { exact: true }).waitFor();
      await page.getByRole("button", { name: "Restore home/late/two.txt" }).waitFor();
      assertEquals(await page.evaluate("globalThis.isBack"), false);
    },
  },
  {
    title: "the trash shows what others delete and restore, and the times are local",
    async run({ page, server }) {
      for (const one of ["one", "two", "three"]) await server.put(`/home/live/${one}.txt`, one);
      await remove(server, "/home/live/one.txt");
      await page.goto(`${server.url}/proc/trash/home/live/`);
      await page.getByText("1 deleted world", { exact: true }).waitFor();
      const first = page.getByRole("button", { name: "Restore home/live/one.txt" });
      await first.focus();
      await remove(server, "/home/live/two.txt");
      await page.getByText("2 deleted worlds").waitFor();
      await page.locator(":focus").and(first).waitFor();
      const time = page.locator(".trash-list time").first();
      const iso = await time.getAttribute("datetime");
      const local = await page.evaluate(`new Date(${JSON.stringify(iso)}).toLocaleString()`);
      const utc = iso?.slice(0, 19).replace("T", " ");
      await time.hover();
      assertEquals(await time.getAttribute("title"), `${local} (${utc} UTC)`);
      await server.put("/home/live/two.txt", "other");
      const list: { name: string; id: string }[] = JSON.parse(
        (await read(server, "/proc/trash/home/live/")).text,
      );
      const id = list.find(({ name }) => name === "home/live/one.txt")?.id ?? "";
      const restored = await fetch(
        `${server.url}/home/live/one.txt?trash=${encodeURIComponent(id)}`,
        {
          method: "PUT",
          headers: { authorization: `Bearer ${server.approve}` },
        },
      );
      assertEquals(restored.status, 201, await restored.text());
      await first.waitFor({ state: "detached" });
      await page.getByText("1 deleted world", { exact: true }).waitFor();
      await page.getByRole("button", { name: "Restore home/live/two.txt" }).waitFor();
      const two = JSON.parse((await read(server, "/proc/trash/home/live/")).text);
      const renamed = await fetch(
        `${server.url}/home/live/other.txt?trash=${encodeURIComponent(two[0].id)}`,
        { method: "PUT", headers: { authorization: `Bearer ${server.approve}` } },
      );
      assertEquals(renamed.status, 201, await renamed.text());
      await page.getByText("has no worlds below /home/live/").waitFor();
    },
  },
  {
    title: "without the right, nothing is restored, and the reason is shown",
    async run({ server, browser }) {
      const { page, messages } = await openPage(browser);
      await page.goto(`${server.url}/proc/trash/home/`);
      await page.getByRole("button", { name: "Restore home/other.txt" }).click({ force: true });
      await page.getByText("Restoring needs T3").waitFor();
      await page.locator(".note").getByRole("button", { name: "Sign in" }).waitFor();
      await page.getByRole("button", { name: "Actions for home/other.txt" }).click();
      const item = page.getByRole("menuitem", { name: "Delete for good" });
      assertEquals(await item.getAttribute("aria-disabled"), "true");
      assertEquals(messages.filter(isNotErrorStatus), []);
      await page.context().close();
    },
  },
  {
    title: "a long history has pages, and a new version does not close them",
    async run({ page, server }) {
      for (let at = 1; at <= 30; at++) await server.put("/home/long.txt", `text ${at}`);
      await page.goto(`${server.url}/home/long.txt`);
      await page.getByRole("button", { name: "Show v30" }).waitFor();
      assertEquals(await page.locator(".events button", { hasText: /^v/ }).count(), 20);
      await page.getByRole("button", { name: "Older" }).click();
      await page.getByRole("button", { name: "Show v1", exact: true }).waitFor();
      assertEquals(await page.getByRole("button", { name: "Older" }).count(), 0);
      await server.put("/home/long.txt", "text 31");
      await page.getByRole("button", { name: "Show v31" }).waitFor();
      await page.getByRole("button", { name: "Show v1", exact: true }).waitFor();
      await page.getByRole("button", { name: "Compare versions" }).click();
      await page.getByText("1 line added, 1 line removed").waitFor();
      assertMatch(page.url(), /\?compare=30\.\.31$/);
    },
  },
  {
    title: "the trash has pages",
    async run({ page, server }) {
      const put = Array.from({ length: 103 }, (_, at) => server.put(`/home/many/${at}.txt`, "x"));
      await Promise.all(put);
      await remove(server, "/home/many/");
      await page.goto(`${server.url}/proc/trash/home/many/`);
      await page.getByText("the last 100 deleted worlds").waitFor();
      await page.getByRole("button", { name: "Show more" }).click();
      await page.getByText("103 deleted worlds").waitFor();
      assertEquals(await page.locator(".trash-list li").count(), 103);
    },
  },
];

/** The browser logs each error status, also one that the page shows. */
function isNotErrorStatus(text: string): boolean {
  return !text.includes("the server responded with a status of");
}

function plan(title: string): string {
  const lines = Array.from({ length: 40 }, (_, at) => `Line ${at + 1}`);
  lines[19] = `${title} has twenty lines before this one`;
  return `# ${title}\n\n${lines.join("\n\n")}\n`;
}

async function read(server: BrowserServer, path: string) {
  const response = await fetch(server.url + path, {
    headers: { authorization: `Bearer ${server.approve}` },
  });
  return { status: response.status, text: await response.text() };
}

async function remove(server: BrowserServer, path: string): Promise<void> {
  const response = await fetch(server.url + path, {
    method: "DELETE",
    headers: { authorization: `Bearer ${server.approve}` },
  });
  if (!response.ok) throw new Error(`DELETE ${path}: ${response.status}`);
  await response.body?.cancel();
}
