/**
 * Data folders of a server that was killed while its worlds had pieces: every command that reads the
 * files has the appended bytes, and what it writes has no pieces.
 */

import { assert, assertEquals, assertMatch, assertRejects } from "../support/assert.ts";
import { DatabaseSync } from "node:sqlite";
import { backupData } from "../../lib/archive/backup_data.ts";
import { exportData } from "../../lib/archive/export_data.ts";
import { importFolder } from "../../lib/archive/import_data.ts";
import { restoreFolder, RestoreSource } from "../../lib/archive/restore_data.ts";
import { verifyDataFolder } from "../../lib/archive/verify_data_folder.ts";
import { UnusableEntry } from "../../lib/world/file/data_folder.ts";
import { FORMAT_FILE } from "../../lib/world/file/folder_format.ts";
import { HAS_PIECES } from "../../lib/world/file/sql.ts";
import { withTempFolder } from "../support/temp_folder.ts";
import { snapshotFolder } from "../support/snapshot_folder.ts";
import { appendJob, putJob, testWriter } from "../testdata/test_writer.ts";
import { KEY, NOW } from "./fixtures.ts";

const START = "x".repeat(20_000);
const FILE = "home%2Flog/universe.db";

/** Creates `killed`, a data folder whose only world has two pieces: `one`, then `two`. */
async function withKilled(use: (folder: string, killed: string) => Promise<void>): Promise<void> {
  await withTempFolder(async (folder) => {
    const [data, killed] = [`${folder}/data`, `${folder}/killed`];
    Deno.mkdirSync(data);
    const writer = testWriter(data, { key: KEY });
    for (const job of [putJob("home/log", START), appendJob("home/log", "one")]) {
      writer.apply([job]);
    }
    writer.apply([appendJob("home/log", "two")]);
    // The files as they are now, with the log.
    Deno.mkdirSync(`${killed}/home%2Flog`, { recursive: true });
    for (const end of ["", "-wal"]) {
      Deno.copyFileSync(`${data}/${FILE}${end}`, `${killed}/${FILE}${end}`);
    }
    writer.close();
    Deno.writeTextFileSync(`${killed}/.key`, `${KEY}\n`);
    await use(folder, killed);
  });
}

/** Asserts that a folder verifies, and returns version and end of the row of its world. */
function rowOf(data: string): unknown {
  assertEquals(verifyDataFolder({ data, key: KEY }).broken, []);
  const db = new DatabaseSync(`${data}/${FILE}`);
  try {
    assertEquals(db.prepare(HAS_PIECES).get(), undefined, `${data} has pieces`);
    const row = db.prepare(
      "SELECT version, substr(CAST(stage_html AS TEXT), 20001) AS added FROM stage_meta",
    ).get();
    return { ...row };
  } finally {
    db.close();
  }
}

Deno.test("verifyDataFolder() checks the pieces of a killed server and changes nothing", () =>
  withKilled((_folder, killed) => {
    const before = snapshotFolder(killed);
    assertEquals(verifyDataFolder({ data: killed, key: KEY }).broken, []);
    assertEquals(snapshotFolder(killed), before);
    const db = new DatabaseSync(`${killed}/${FILE}`);
    assert(db.prepare(HAS_PIECES).get() !== undefined, "the fixture has no pieces");
    db.exec("UPDATE pieces SET bytes = CAST('ONE' AS BLOB) WHERE version = 2");
    db.close();
    const { broken } = verifyDataFolder({ data: killed, key: KEY });
    assertEquals(broken.map(({ faults }) => faults.map(({ check }) => check)), [
      ["body", "history"],
    ]);
    return Promise.resolve();
  }));

Deno.test("importFolder() imports the pieces of a killed server", () =>
  withKilled(async (folder, killed) => {
    const found = await importFolder({
      source: killed,
      into: `${folder}/into`,
      merge: false,
      newKey: false,
      take: { accounts: true, plugins: true, system: true },
      key: undefined,
      serverKey: undefined,
      now: NOW,
    });
    assertEquals([found.worlds, found.broken], [["home/log"], []]);
    assertEquals(rowOf(`${folder}/into`), { version: 3, added: "onetwo" });
  }));

Deno.test("backupData() and restoreFolder() have the pieces of a killed server, also at an earlier time", () =>
  withKilled(async (folder, killed) => {
    const into = `${folder}/backup`;
    const options = { data: killed, into, key: undefined, withKey: true, versions: 100 };
    assertEquals((await backupData(options)).copied, 1);
    assertEquals(rowOf(`${into}/data`), { version: 3, added: "onetwo" });
    // A restore can also read the killed folder itself.
    for (const path of [into, killed]) {
      const db = new DatabaseSync(`${into}/data/${FILE}`);
      const at = String(db.prepare("SELECT timestamp FROM events WHERE id = 2").get()?.timestamp);
      db.close();
      for (const [when, added, version] of [[undefined, "onetwo", 3], [at, "one", 2]] as const) {
        const target = `${folder}/${path === into ? "a" : "b"}${version}`;
        const source = await RestoreSource.open(path, undefined);
        try {
          await restoreFolder(source, { into: target, names: [""], at: when });
        } finally {
          source.close();
        }
        assertEquals(rowOf(target), { version, added });
      }
    }
  }));

Deno.test("exportData() and RestoreSource refuse a data folder of a newer release", () =>
  withKilled(async (_folder, killed) => {
    Deno.writeTextFileSync(`${killed}/${FORMAT_FILE}`, "3\n");
    const sink = new WritableStream();
    const options = { data: killed, sink, withKey: true, versions: 100 };
    await assertRejects(() => exportData(options), UnusableEntry);
    await assertRejects(() => RestoreSource.open(killed, undefined), UnusableEntry);
    const { broken } = await Promise.try(() => verifyDataFolder({ data: killed, key: KEY }))
      .catch((error) => ({ broken: String(error) }));
    assertMatch(String(broken), /it has format 3 and this program knows the formats up to 2/);
  }));
