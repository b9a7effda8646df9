/** Uploading files and folders in the browser. */

import { assert, assertEquals } from "../support/assert.ts";
import { openPage, type Page, startBrowser } from "./browser.ts";
import { startBrowserServer } from "./browser_server.ts";

const MAX_BODY = 100_000;
const SHOTS = new URL("./shots/", import.meta.url).pathname;

Deno.test("the shell uploads files and folders", async (t) => {
  const browser = await startBrowser();
  const server = await startBrowserServer({ ELASTIK_MAX_BODY: String(MAX_BODY) });
  const { url } = server;
  const folder = await Deno.makeTempDir({ prefix: "elastik-upload-" });
  const read = async (path: string) => {
    const response = await fetch(`${url}${path}?raw`);
    return response.ok ? await response.text() : (await response.body?.cancel(), response.status);
  };

  try {
    await Deno.mkdir(`${folder}/site/deep/er`, { recursive: true });
    await Deno.writeTextFile(`${folder}/site/index.md`, "# Index\n");
    await Deno.writeTextFile(`${folder}/site/deep/er/a b.csv`, "a,b\n");
    await Deno.writeTextFile(`${folder}/site/deep/what?.txt`, "renamed");
    await Deno.writeTextFile(`${folder}/site/.DS_Store`, "no");
    await Deno.writeFile(`${folder}/site/large.bin`, new Uint8Array(MAX_BODY + 1));

    // A collection without worlds answers 404, which the console shows.
    for (const name of ["in", "slow", "again"]) await server.put(`/home/${name}/first`, "x");

    await t.step("a folder keeps its paths; what is left out is shown before", async () => {
      const { page, messages } = await openPage(browser);
      await page.goto(`${url}/home/in/`);
      await chooseFolder(page, `${folder}/site`);
      const dialog = page.getByRole("dialog");
      await dialog.getByText("3 files, 19 B, to /home/in/").waitFor();
      await dialog.getByText("Larger than 97.7 KiB, the limit of this server").waitFor();
      await dialog.getByText("site/large.bin").waitFor();
      await dialog.getByText("site/deep/what?.txt → site/deep/what-.txt").waitFor();
      await page.screenshot({ path: `${SHOTS}upload-plan-1440-light.png` });
      assertEquals(await read("/home/in/site/index.md"), 404);
      await dialog.getByRole("button", { name: "Upload" }).click();
      await page.getByText("3 files written").waitFor();
      await page.getByRole("link", { name: "site/" }).waitFor();
      assertEquals(await read("/home/in/site/index.md"), "# Index\n");
      assertEquals(await read("/home/in/site/deep/er/a%20b.csv"), "a,b\n");
      assertEquals(await read("/home/in/site/deep/what-.txt"), "renamed");
      assertEquals(await read("/home/in/site/.DS_Store"), 404);
      assertEquals(messages, []);
      await page.context().close();
    });

    await t.step("files that are chosen after a garbage collection are written", async () => {
      // Not from openPage: the chooser of Playwright would keep the input in memory.
      const page = await browser.newPage();
      await page.goto(`${url}/home/again/`);
      await page.getByRole("link", { name: "first" }).waitFor();
      const session = await page.context().newCDPSession(page);
      await session.send("Page.enable");
      await session.send("Page.setInterceptFileChooserDialog", { enabled: true });
      const opened = new Promise<number>((resolve) =>
        session.once("Page.fileChooserOpened", ({ backendNodeId = 0 }) => resolve(backendNodeId))
      );
      await page.getByRole("button", { name: "Upload" }).click();
      const backendNodeId = await opened;
      for (let i = 0; i < 3; i++) await session.send("HeapProfiler.collectGarbage");
      const files = [`${folder}/site/index.md`];
      await session.send("DOM.setFileInputFiles", { files, backendNodeId });
      await page.getByRole("link", { name: "index.md" }).waitFor();
      assertEquals(await page.locator("input[type=file]").count(), 0);
      await page.context().close();
    });

    await t.step(
      "names that exist are asked about once, after the others are written",
      async () => {
        await server.put("/home/some/a.txt", "old a");
        await server.put("/home/some/b.txt", "old b");
        const { page, messages } = await openPage(browser);
        await page.goto(`${url}/home/some/`);
        await page.getByRole("link", { name: "a.txt" }).waitFor();
        await drop(page, { "a.txt": "new a", "b.txt": "new b", "c.txt": "new c" });
        await page.getByText("2 names exist already").waitFor();
        assertEquals(await read("/home/some/c.txt"), "new c");
        assertEquals(await read("/home/some/a.txt"), "old a");
        await page.getByRole("button", { name: "Keep both" }).click();
        await page.getByText("3 files written").waitFor();
        assertEquals(await read("/home/some/a.txt"), "old a");
        assertEquals(await read("/home/some/a%20(2).txt"), "new a");
        await drop(page, { "a.txt": "newer a", "b.txt": "newer b" });
        await page.getByRole("button", { name: "Replace" }).click();
        await page.getByText("2 files written").waitFor();
        assertEquals(await read("/home/some/a.txt"), "newer a");
        await drop(page, { "a.txt": "no", "d.txt": "new d" });
        await page.getByRole("button", { name: "Skip" }).click();
        await page.getByRole("link", { name: "d.txt" }).waitFor();
        assertEquals(await read("/home/some/a.txt"), "newer a");
        assertEquals(messages.filter((line) => !line.includes("412")), []);
        await page.context().close();
      },
    );

    await t.step("an upload shows its progress on other pages, and can be cancelled", async () => {
      const { page, messages } = await openPage(browser);
      await page.goto(`${url}/home/slow/`);
      const release = Promise.withResolvers<void>();
      let requests = 0;
      await page.route("**/home/slow/*.txt", async (route) => {
        requests += 1;
        if (requests > 2) await release.promise;
        await route.continue().catch(() => {}); // the page cancelled the request
      });
      const files = Array.from({ length: 9 }, (_, at) => [`${at}.txt`, "x"]);
      await drop(page, Object.fromEntries(files));
      await page.getByText("2 of 9 files").waitFor();
      await page.screenshot({ path: `${SHOTS}upload-progress-1440-light.png` });
      await page.getByRole("link", { name: "home", exact: true }).click();
      await page.waitForURL(`${url}/home/`);
      await page.getByText("2 of 9 files").waitFor();
      await page.getByRole("button", { name: "Cancel" }).click();
      await page.getByText("2 files written, 7 not sent").waitFor();
      await page.getByText("2 of 9 files").waitFor({ state: "detached" });
      release.resolve();
      await page.getByRole("button", { name: "Send the rest" }).click();
      await page.getByText("7 files written").waitFor();
      assertEquals(await read("/home/slow/8.txt"), "x");
      assertEquals(messages, []);
      await page.unrouteAll({ behavior: "ignoreErrors" });
      await page.context().close();
    });

    await t.step("files that fail are listed with the reason, and are sent again", async () => {
      const { page, messages } = await openPage(browser);
      await page.goto(`${url}/home/again/`);
      let isDown = true;
      await page.route("**/home/again/b.txt", (route) => isDown ? route.abort() : route.continue());
      await drop(page, { "a.txt": "a", "b.txt": "b" });
      await page.getByText("1 file not written").waitFor();
      await page.getByText("/home/again/b.txt: The server may be restarting").waitFor();
      assertEquals(await read("/home/again/a.txt"), "a");
      isDown = false;
      await page.getByRole("button", { name: "Try again" }).click();
      await page.getByRole("link", { name: "b.txt" }).waitFor();
      assertEquals(await read("/home/again/b.txt"), "b");
      assert(messages.every((line) => line.includes("ERR_FAILED")), messages.join("\n"));
      await page.context().close();
    });

    await t.step("files that were refused are offered again, as after signing in", async () => {
      const { page } = await openPage(browser);
      await page.goto(`${url}/home/again/`);
      let isSignedIn = false;
      await page.route(
        "**/home/again/*.csv",
        (route) =>
          isSignedIn ? route.continue() : route.fulfill({
            status: 401,
            contentType: "application/problem+json",
            body: '{"title":"Unauthorized","detail":"The credential has expired"}',
          }),
      );
      await drop(page, { "1.csv": "1", "2.csv": "2" });
      await page.getByText("The credential has expired").waitFor();
      await page.getByText("0 files written, 2 not sent").waitFor();
      isSignedIn = true;
      await page.getByRole("button", { name: "Send the rest" }).click();
      await page.getByRole("link", { name: "2.csv" }).waitFor();
      assertEquals(await read("/home/again/1.csv"), "1");
      await page.context().close();
    });

    await t.step("a folder that is dropped keeps its paths", async () => {
      await server.put("/home/dropped/first", "x");
      const { page, messages } = await openPage(browser);
      await page.goto(`${url}/home/dropped/`);
      await page.getByRole("link", { name: "first" }).waitFor();
      // Only the browser itself can make an entry of a folder.
      const session = await page.context().newCDPSession(page);
      const data = { items: [], files: [`${folder}/site`], dragOperationsMask: 1 };
      await page.evaluate(
        'document.addEventListener("drop", () => globalThis.isDropped = true, { once: true })',
      );
      // The browser ignores a drop until the page has reported that it takes files.
      while (!await page.evaluate("globalThis.isDropped")) {
        for (const type of ["dragEnter", "dragOver", "drop"] as const) {
          await session.send("Input.dispatchDragEvent", { type, x: 600, y: 700, data });
        }
      }
      const dialog = page.getByRole("dialog");
      await dialog.getByText("3 files, 19 B, to /home/dropped/").waitFor();
      await dialog.getByRole("button", { name: "Upload" }).click();
      await page.getByText("3 files written").waitFor();
      assertEquals(await read("/home/dropped/site/deep/er/a%20b.csv"), "a,b\n");
      assertEquals(messages, []);
      await page.context().close();
    });

    await t.step("the suffix decides the type, not what the browser reports", async () => {
      await server.put("/home/types/plain", "x");
      const { page, messages } = await openPage(browser);
      await page.goto(`${url}/home/types/`);
      await page.getByRole("link", { name: "plain" }).waitFor();
      await drop(page, { "code.ts": "export {};", "LICENSE": "text" }, "video/mp2t");
      await page.getByText("2 files written").waitFor();
      await page.goto(`${url}/home/types/plain`);
      await page.getByText("version 1", { exact: true }).waitFor();
      await drop(page, { "notes.md": "# Notes" });
      await page.getByRole("button", { name: "Replace" }).click();
      await page.getByText("version 2", { exact: true }).waitFor();
      const ext = async (path: string) => {
        const response = await fetch(url + path, { headers: { accept: "application/json" } });
        return (await response.json()).ext;
      };
      assertEquals(await ext("/home/types/code.ts"), "ts");
      assertEquals(await ext("/home/types/plain"), "md");
      assertEquals(messages.filter((line) => !line.includes("412")), []);
      await page.context().close();
    });

    await t.step(
      "a file that is dropped on a world replaces its content if confirmed",
      async () => {
        await server.put("/home/one.txt", "one");
        const { page, messages } = await openPage(browser);
        await page.goto(`${url}/home/one.txt`);
        await page.getByText("version 1", { exact: true }).waitFor();
        await drop(page, { "two.txt": "two", "three.txt": "three" });
        await page.getByText("The content of /home/one.txt becomes two.txt").waitFor();
        assertEquals(await read("/home/one.txt"), "one");
        await page.getByRole("button", { name: "Replace" }).click();
        await page.getByText("version 2", { exact: true }).waitFor();
        assertEquals(await read("/home/one.txt"), "two");
        assertEquals(messages.filter((line) => !line.includes("412")), []);
        await page.context().close();
      },
    );
  } finally {
    await browser.close();
    await server.stop();
    await Deno.remove(folder, { recursive: true });
  }
});

async function chooseFolder(page: Page, path: string) {
  await page.getByRole("button", { name: "More", exact: true }).click();
  const [chooser] = await Promise.all([
    page.waitForEvent("filechooser"),
    page.getByRole("menuitem", { name: "Upload a folder" }).click(),
  ]);
  await chooser.setFiles(path);
}

/** Drops files on the page. */
async function drop(page: Page, files: Record<string, string>, type = "text/plain") {
  await page.evaluate(`(() => {
    const dataTransfer = new DataTransfer();
    for (const [name, text] of Object.entries(${JSON.stringify(files)})) {
      dataTransfer.items.add(new File([text], name, { type: ${JSON.stringify(type)} }));
    }
    const init = { dataTransfer, bubbles: true, cancelable: true };
    document.querySelector("main").dispatchEvent(new DragEvent("drop", init));
  })()`);
}
