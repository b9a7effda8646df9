import { assert, assertEquals } from "../../support/assert.ts";
import { readFileState } from "../../../lib/world/file/file_state.ts";
import { withTempFolder } from "../../support/temp_folder.ts";

Deno.test("readFileState() returns the same state while the file and its log do not change", () =>
  withTempFolder(async (folder) => {
    const path = `${folder}/universe.db`;
    Deno.writeTextFileSync(path, "one");
    const now = Date.now();
    const first = await readFileState(path, now);
    assertEquals((await readFileState(path, now)).text, first.text);
    Deno.writeTextFileSync(`${path}-wal`, "");
    assertEquals((await readFileState(path, now)).text, first.text);
    Deno.writeTextFileSync(`${path}-wal`, "log");
    const withLog = await readFileState(path, now);
    assert(withLog.text !== first.text, "the log is not in the state");
    Deno.renameSync(path, `${path}.old`);
    Deno.writeTextFileSync(path, "one");
    assert((await readFileState(path, now)).text !== withLog.text, "another file, same state");
  }));

Deno.test("readFileState() is settled only two seconds after the last change", () =>
  withTempFolder(async (folder) => {
    const path = `${folder}/universe.db`;
    Deno.writeTextFileSync(path, "one");
    // A program can set the modification time, but not the change time.
    Deno.utimeSync(path, 1, 1);
    const changedAt = (Deno.statSync(path).ctime ?? new Date()).getTime();
    assertEquals((await readFileState(path, changedAt + 2_000)).isSettled, false);
    assertEquals((await readFileState(path, changedAt + 2_001)).isSettled, true);
    assertEquals((await readFileState(`${folder}/none`, changedAt)).text, "- -");
  }));
