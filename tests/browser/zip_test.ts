/** Downloading collections as archives, which `unzip` reads. */

import { assert, assertEquals } from "../support/assert.ts";
import { openPage, type Page, startBrowser } from "./browser.ts";
import { startBrowserServer } from "./browser_server.ts";

Deno.test("the shell downloads collections as zip archives", async (t) => {
  const browser = await startBrowser();
  const server = await startBrowserServer();
  const { url } = server;
  const folder = await Deno.makeTempDir({ prefix: "elastik-zip-" });
  const bytes = crypto.getRandomValues(new Uint8Array(60_000));
  try {
    await server.put("/home/docs/plan.md", "# Plan\n");
    await server.put("/home/docs/plan.md", "# Plan 2\n");
    await server.put("/home/docs/deep/er/ä ö.txt", "x".repeat(400_000));
    await server.put("/home/docs/deep/noise.png", bytes);
    await server.put("/home/docs/empty.txt", "");
    await server.put("/home/docs/deep", "also a world");
    await server.put("/home/docs/con.txt", "a device on Windows");
    await server.put("/home/other", "not in the archive");

    await t.step("a collection is one archive with all worlds below it", async () => {
      const { page, messages } = await openPage(browser);
      await page.goto(`${url}/home/docs/`);
      const path = await download(page, `${folder}/docs.zip`, async () => {
        await page.getByRole("button", { name: "More", exact: true }).click();
        await page.getByRole("menuitem", { name: "Download as zip" }).click();
        // The note goes away after six seconds.
        await page.getByText("6 worlds in docs.zip").waitFor();
      });
      assertEquals(await names(path), [
        "docs/con_.txt",
        "docs/deep.txt",
        "docs/deep/er/ä ö.txt",
        "docs/deep/noise.png",
        "docs/empty.txt",
        "docs/plan.md",
      ]);
      assertEquals(new TextDecoder().decode(await unzip(path, "docs/plan.md")), "# Plan 2\n");
      assertEquals((await unzip(path, "docs/deep/er/ä ö.txt")).length, 400_000);
      assertEquals(await unzip(path, "docs/deep/noise.png"), bytes);
      assert((await Deno.stat(path)).size < 70_000, "text is compressed");
      assertEquals(messages, []);
      await page.context().close();
    });

    await t.step("selected rows are one archive; one selected world is a file", async () => {
      const { page, messages } = await openPage(browser);
      await page.goto(`${url}/home/docs/`);
      await page.getByLabel("Select plan.md").click();
      const one = await download(
        page,
        `${folder}/one`,
        () => page.getByRole("button", { name: "Download" }).click(),
      );
      assertEquals(await Deno.readTextFile(one), "# Plan 2\n");
      await page.getByLabel("Select deep").click();
      const path = await download(
        page,
        `${folder}/some.zip`,
        () => page.getByRole("button", { name: "Download" }).click(),
      );
      assertEquals(await names(path), [
        "deep.txt",
        "deep/er/ä ö.txt",
        "deep/noise.png",
        "plan.md",
      ]);
      assertEquals(messages, []);
      await page.context().close();
    });

    await t.step("worlds that cannot be read are listed, and Cancel saves nothing", async () => {
      const { page } = await openPage(browser);
      await page.goto(`${url}/home/docs/`);
      await page.route("**/noise.png?raw", (route) => route.abort());
      const choose = async () => {
        await page.getByRole("button", { name: "More", exact: true }).click();
        await page.getByRole("menuitem", { name: "Download as zip" }).click();
      };
      const path = await download(page, `${folder}/part.zip`, choose);
      await page.getByText("/home/docs/deep/noise.png: The server may be restarting").waitFor();
      assertEquals((await names(path)).length, 5);
      await page.keyboard.press("Escape");
      await page.unroute("**/noise.png?raw");
      const release = Promise.withResolvers<void>();
      await page.route("**/noise.png?raw", async (route) => {
        await release.promise;
        await route.continue().catch(() => {}); // the page cancelled the request
      });
      let downloads = 0;
      page.on("download", () => downloads += 1);
      const saved = page.waitForEvent("download");
      await choose();
      await page.getByRole("button", { name: "Cancel" }).click();
      await page.getByRole("button", { name: "Cancel" }).waitFor({ state: "detached" });
      release.resolve();
      await choose();
      await page.getByText("6 worlds in docs.zip").waitFor();
      await saved;
      assertEquals(downloads, 1);
      await page.context().close();
    });
    await t.step("more than 1 GiB is refused before anything is requested", async () => {
      const { page, messages } = await openPage(browser);
      await page.goto(`${url}/home/docs/`);
      const row = { name: "home/docs/x", version: 1, ext: "bin", len: 2 ** 31 };
      await page.route("**/home/docs/?deep*", (route) => route.fulfill({ json: [row] }));
      await page.getByRole("button", { name: "More", exact: true }).click();
      await page.getByRole("menuitem", { name: "Download as zip" }).click();
      await page.getByText("2.0 GiB is too much for one archive (1.0 GiB)").waitFor();
      assertEquals(messages, []);
      await page.context().close();
    });
  } finally {
    await browser.close();
    await server.stop();
    await Deno.remove(folder, { recursive: true });
  }
});

async function download(page: Page, path: string, act: () => Promise<void>): Promise<string> {
  const [file] = await Promise.all([page.waitForEvent("download"), act()]);
  await file.saveAs(path);
  return path;
}

async function names(path: string): Promise<string[]> {
  const output = await run("python3", "-c", LIST, path);
  return new TextDecoder().decode(output).trim().split("\n").sort();
}

async function unzip(path: string, name: string): Promise<Uint8Array> {
  return await run("python3", "-c", READ, path, name);
}

/** Python checks the sums of all entries, too. */
const LIST = `import sys, zipfile
with zipfile.ZipFile(sys.argv[1]) as archive:
  assert archive.testzip() is None
  sys.stdout.buffer.write("\\n".join(archive.namelist()).encode())`;
const READ = `import sys, zipfile
with zipfile.ZipFile(sys.argv[1]) as archive:
  sys.stdout.buffer.write(archive.read(sys.argv[2]))`;

async function run(program: string, ...args: string[]): Promise<Uint8Array> {
  const { success, stdout, stderr } = await new Deno.Command(program, { args }).output();
  assert(success, new TextDecoder().decode(stderr));
  return stdout;
}
