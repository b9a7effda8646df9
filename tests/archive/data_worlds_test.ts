import { assert, assertEquals, assertThrows } from "../support/assert.ts";
import { DatabaseSync } from "node:sqlite";
import { openDataWorlds } from "../../lib/archive/data_worlds.ts";
import { acquireDataFolder } from "../../lib/world/file/data_folder.ts";
import { MARK_DELETED, SELECT_ROW } from "../../lib/world/file/sql.ts";
import { putJob, testWriter } from "../testdata/test_writer.ts";
import { fillData, KEY } from "./fixtures.ts";
import { withTempFolder } from "../support/temp_folder.ts";
import { snapshotFolder } from "../support/snapshot_folder.ts";

const versionOf = (db: DatabaseSync) => Number(db.prepare(SELECT_ROW).get()?.version);

Deno.test("openDataWorlds() without a server leaves no trace and locks the folder", () =>
  withTempFolder((data) => {
    fillData(data);
    acquireDataFolder(data).release();
    const before = snapshotFolder(data);
    const worlds = openDataWorlds(data);
    assertEquals([worlds.isLive, worlds.folders], [false, [
      "etc%2Fconf",
      "home%2Fa",
      "home%2Fb c%25d",
    ]]);
    assertEquals(worlds.read("home%2Fa", versionOf), 2);
    assertEquals(worlds.read("home%2Fgone", versionOf), undefined);
    assertThrows(() => acquireDataFolder(data), /another server holds it/);
    worlds.close();
    assertEquals(snapshotFolder(data), before);
    acquireDataFolder(data).release();
  }));

Deno.test("openDataWorlds() next to a server reads the write-ahead log too", () =>
  withTempFolder((data) => {
    fillData(data);
    const server = acquireDataFolder(data);
    const writer = testWriter(data, { key: KEY });
    writer.apply([putJob("home/a", "three")]);
    const worlds = openDataWorlds(data);
    assertEquals(worlds.isLive, true);
    assertEquals(worlds.read("home%2Fa", versionOf), 3);
    assertThrows(() => worlds.read("home%2Fa", (db) => db.exec("DELETE FROM events")), /readonly/);
    worlds.close();
    writer.apply([putJob("home/a", "four")]);
    writer.close();
    server.release();
    assert(!Deno.readDirSync(`${data}/home%2Fa`).some(({ name }) => name.endsWith("-wal")));
  }));

Deno.test("openDataWorlds() skips a world that is being deleted", () =>
  withTempFolder((data) => {
    fillData(data);
    const db = new DatabaseSync(`${data}/home%2Fa/universe.db`);
    db.exec(MARK_DELETED);
    db.close();
    const worlds = openDataWorlds(data);
    assertEquals(worlds.read("home%2Fa", versionOf), undefined);
    worlds.close();
  }));
