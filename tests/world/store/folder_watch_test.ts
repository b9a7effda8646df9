import { assertEquals, assertMatch } from "../../support/assert.ts";
import { acquireDataFolder } from "../../../lib/world/file/data_folder.ts";
import { FolderWatch } from "../../../lib/world/store/folder_watch.ts";
import { withTempFolder } from "../../support/temp_folder.ts";

Deno.test("FolderWatch reports a replaced folder once, without a request", () =>
  withTempFolder(async (temp) => {
    const data = `${temp}/data`;
    const folder = acquireDataFolder(data);
    const faults: string[] = [];
    const found = Promise.withResolvers<void>();
    const watch = new FolderWatch(folder.identity, (fault) => {
      faults.push(fault);
      found.resolve();
    }, 1);
    // The timer of the watch does not keep the process alive, so this one must.
    const alive = setInterval(() => {}, 1000);
    Deno.renameSync(data, `${data}-away`);
    await found.promise;
    clearInterval(alive);
    watch.report("a Worker found it too");
    assertEquals(faults.length, 1);
    assertMatch(faults[0] ?? "", /was removed/);
    folder.release();
  }));

Deno.test("FolderWatch reports nothing after stop(), and watches nothing without an identity", () => {
  const faults: string[] = [];
  const watch = new FolderWatch(undefined, (fault) => faults.push(fault));
  watch.stop();
  watch.report("late");
  assertEquals(faults, []);
});
