import { assertEquals } from "../../support/assert.ts";
import { FileWatch } from "../../../lib/cli/client/watch_files.ts";
import { withTempFolder } from "../../support/temp_folder.ts";

Deno.test("FileWatch.next() resolves after a change of a source, and of no other file", () =>
  withTempFolder(async (folder) => {
    await Deno.mkdir(`${folder}/data`);
    const watch = new FileWatch();
    const { signal } = new AbortController();
    watch.watch({ folders: [folder], isDeep: true });
    let seen = 0;
    const followed = (async () => {
      while (await watch.next(signal)) seen++;
    })();
    await Deno.writeTextFile(`${folder}/data/world.db`, "x");
    await Deno.writeTextFile(`${folder}/mod.ts`, "x");
    while (seen === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    watch.close();
    await followed;
    assertEquals(seen, 1);
  }));

Deno.test("FileWatch.next() returns false after the signal", () =>
  withTempFolder(async (folder) => {
    const watch = new FileWatch();
    const control = new AbortController();
    watch.watch({ folders: [folder], isDeep: false });
    const next = watch.next(control.signal);
    control.abort();
    assertEquals(await next, false);
    watch.close();
  }));
