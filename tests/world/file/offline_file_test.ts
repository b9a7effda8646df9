import { assertEquals, assertMatch, assertThrows } from "../../support/assert.ts";
import { DatabaseSync } from "node:sqlite";
import { withOfflineFile } from "../../../lib/world/file/offline_file.ts";
import { superJournal } from "../../testdata/super_journal.ts";
import { withTempFolder } from "../../support/temp_folder.ts";
import { snapshotFolder } from "../../support/snapshot_folder.ts";

function make(path: string, value: number): DatabaseSync {
  const db = new DatabaseSync(path);
  db.exec("PRAGMA journal_mode = WAL; CREATE TABLE t (x)");
  db.prepare("INSERT INTO t VALUES (?)").run(value);
  return db;
}

function valueOf(path: string, scratch: string): unknown {
  return withOfflineFile(path, () => scratch, (db) => db.prepare("SELECT x FROM t").get()?.x);
}

Deno.test("withOfflineFile() reads a file without creating files next to it", () =>
  withTempFolder((data) => {
    Deno.mkdirSync(`${data}/scratch`);
    // Characters that are special in URLs are ordinary characters of a path here.
    for (const folder of ["home%2Fa", "home%2Fb#c", "home%2Fb c%25d", "home%2Fü+&=;@"]) {
      Deno.mkdirSync(`${data}/${folder}`);
      make(`${data}/${folder}/universe.db`, 7).close();
      const before = snapshotFolder(data);
      assertEquals(valueOf(`${data}/${folder}/universe.db`, `${data}/scratch`), 7);
      assertEquals(snapshotFolder(data), before);
    }
  }));

Deno.test("withOfflineFile() reads the content of the log and does not change the log", () =>
  withTempFolder((data) => {
    for (const folder of ["live", "crashed", "scratch"]) Deno.mkdirSync(`${data}/${folder}`);
    const live = make(`${data}/live/universe.db`, 1);
    live.exec("UPDATE t SET x = 2");
    for (const end of ["", "-wal"]) {
      Deno.copyFileSync(`${data}/live/universe.db${end}`, `${data}/crashed/universe.db${end}`);
    }
    live.close();
    const before = snapshotFolder(`${data}/crashed`);
    assertEquals(valueOf(`${data}/crashed/universe.db`, `${data}/scratch`), 2);
    assertEquals(snapshotFolder(`${data}/crashed`), before);
    assertEquals(snapshotFolder(`${data}/scratch`), []);
  }));

Deno.test("withOfflineFile() keeps writes of the callback out of the file and empties its folder after an error", () =>
  withTempFolder((data) => {
    Deno.mkdirSync(`${data}/scratch`);
    make(`${data}/universe.db`, 1).close();
    const before = snapshotFolder(data);
    withOfflineFile(
      `${data}/universe.db`,
      () => `${data}/scratch`,
      (db) => db.exec("DELETE FROM t"),
    );
    assertEquals(snapshotFolder(data), before);
    Deno.writeTextFileSync(`${data}/universe.db-wal`, "a log of nothing");
    assertThrows(() =>
      withOfflineFile(`${data}/universe.db`, () => `${data}/scratch`, () => {
        throw new Error("the look failed");
      }), /the look failed/);
    assertEquals(snapshotFolder(`${data}/scratch`), []);
  }));

Deno.test("withOfflineFile() refuses a journal that would make SQLite delete a file", () =>
  withTempFolder((data) => {
    for (const folder of ["world", "scratch"]) Deno.mkdirSync(`${data}/${folder}`);
    const db = new DatabaseSync(`${data}/world/universe.db`);
    db.exec("CREATE TABLE t (x)");
    db.close();
    Deno.writeTextFileSync(`${data}/world/precious`, "kept");
    Deno.writeFileSync(`${data}/world/universe.db-journal`, superJournal(`${data}/world/precious`));
    const before = snapshotFolder(`${data}/world`);
    assertThrows(
      () => withOfflineFile(`${data}/world/universe.db`, () => `${data}/scratch`, () => {}),
      /its journal names another file/,
    );
    assertEquals(snapshotFolder(`${data}/world`), before);
    assertEquals(snapshotFolder(`${data}/scratch`), []);

    // The reason for the refusal: SQLite itself deletes the file, even if it cannot use the
    // database.
    const itself = new DatabaseSync(`${data}/world/universe.db`);
    try {
      itself.prepare("SELECT * FROM t").all();
    } catch (error) {
      assertMatch(String(error), /malformed|no such table/);
    } finally {
      itself.close();
    }
    assertThrows(() => Deno.statSync(`${data}/world/precious`), Deno.errors.NotFound);
  }));
