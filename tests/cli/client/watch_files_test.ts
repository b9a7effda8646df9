import { assertEquals } from "../../support/assert.ts";
import { FileWatch } from "../../../lib/cli/client/watch_files.ts";
import { withTempFolder } from "../../support/temp_folder.ts";

/** Writes a file in one step: a computer that stands still between two makes them two changes. */
async function writeAtOnce(path: string): Promise<void> {
  const written = await Deno.makeTempFile();
  await Deno.writeTextFile(written, "x");
  await Deno.rename(written, path);
}

Deno.test("FileWatch.next() resolves after a change of a source, and of no other file", () =>
  withTempFolder(async (folder) => {
    await Deno.mkdir(`${folder}/data`);
    const watch = new FileWatch();
    const { signal } = new AbortController();
    watch.watch({ trees: [folder], folders: [] });
    let seen = 0;
    const followed = (async () => {
      while (await watch.next(signal)) seen++;
    })();
    await Deno.writeTextFile(`${folder}/data/world.db`, "x");
    await writeAtOnce(`${folder}/mod.ts`);
    while (seen === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    watch.close();
    await followed;
    assertEquals(seen, 1);
  }));

Deno.test("FileWatch.next() sees files of a new folder, and nothing that a link leads to", () =>
  withTempFolder(async (folder) => {
    for (const name of ["plugin", "plugin/node_modules", "outside"]) {
      await Deno.mkdir(`${folder}/${name}`);
    }
    await Deno.symlink("/", `${folder}/plugin/root`);
    await Deno.symlink("../outside", `${folder}/plugin/link`);
    const watch = new FileWatch();
    const { signal } = new AbortController();
    watch.watch({ trees: [`${folder}/plugin`], folders: [] });
    await Deno.writeTextFile(`${folder}/outside/o.ts`, "x");
    await Deno.writeTextFile(`${folder}/plugin/node_modules/n.ts`, "x");
    await Deno.mkdir(`${folder}/plugin/new`);
    assertEquals(await watch.next(signal), true, "a new folder can have files already");
    await writeAtOnce(`${folder}/plugin/new/mod.ts`);
    assertEquals(await watch.next(signal), true);
    // The new folder and its file can be two changes.
    let isSeen = false;
    let next = Promise.resolve();
    do {
      isSeen = false;
      next = watch.next(signal).then((seen) => void (isSeen = seen));
      await new Promise((resolve) => setTimeout(resolve, 500));
    } while (isSeen);
    await Deno.writeTextFile(`${folder}/outside/o.ts`, "y");
    await Deno.writeTextFile(`${folder}/plugin/node_modules/n.ts`, "y");
    await new Promise((resolve) => setTimeout(resolve, 150));
    assertEquals(isSeen, false);
    watch.close();
    await next;
  }));

Deno.test("FileWatch.next() returns false after the signal", () =>
  withTempFolder(async (folder) => {
    const watch = new FileWatch();
    const control = new AbortController();
    watch.watch({ trees: [], folders: [folder] });
    const next = watch.next(control.signal);
    control.abort();
    assertEquals(await next, false);
    watch.close();
  }));
