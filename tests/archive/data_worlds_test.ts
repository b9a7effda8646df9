import { deepStrictEqual as equal, ok, throws } from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { openDataWorlds } from "../../lib/archive/data_worlds.ts";
import { takeDataFolder } from "../../lib/world/file/data_folder.ts";
import { MARK_LEAVING, SELECT_ROW } from "../../lib/world/file/sql.ts";
import { snapshot, withTempData } from "../testdata/temp_data.ts";
import { putJob, testWriter } from "../testdata/test_writer.ts";
import { fillData, KEY } from "./fixtures.ts";

const versionOf = (db: DatabaseSync) => Number(db.prepare(SELECT_ROW).get()?.version);

Deno.test("openDataWorlds() looks without a trace where no server is, and keeps servers off", () =>
  withTempData((data) => {
    fillData(data);
    takeDataFolder(data).release();
    const before = snapshot(data);
    const worlds = openDataWorlds(data);
    equal([worlds.live, worlds.folders], [false, ["etc%2Fconf", "home%2Fa", "home%2Fb c%25d"]]);
    equal(worlds.look("home%2Fa", versionOf), 2);
    equal(worlds.look("home%2Fgone", versionOf), undefined);
    throws(() => takeDataFolder(data), /another server holds it/);
    worlds.close();
    equal(snapshot(data), before);
    takeDataFolder(data).release();
  }));

Deno.test("openDataWorlds() looks beside a server, at what is not in the main file yet as well", () =>
  withTempData((data) => {
    fillData(data);
    const server = takeDataFolder(data);
    const writer = testWriter(data, { key: KEY });
    writer.apply([putJob("home/a", "three")]);
    const worlds = openDataWorlds(data);
    equal(worlds.live, true);
    equal(worlds.look("home%2Fa", versionOf), 3);
    throws(() => worlds.look("home%2Fa", (db) => db.exec("DELETE FROM events")), /readonly/);
    worlds.close();
    writer.apply([putJob("home/a", "four")]);
    writer.close();
    server.release();
    ok(!Deno.readDirSync(`${data}/home%2Fa`).some(({ name }) => name.endsWith("-wal")));
  }));

Deno.test("openDataWorlds() passes over a world on its way to the trash", () =>
  withTempData((data) => {
    fillData(data);
    const db = new DatabaseSync(`${data}/home%2Fa/universe.db`);
    db.exec(MARK_LEAVING);
    db.close();
    const worlds = openDataWorlds(data);
    equal(worlds.look("home%2Fa", versionOf), undefined);
    worlds.close();
  }));
