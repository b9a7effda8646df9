import { assert, assertEquals, assertRejects, errorWith } from "../support/assert.ts";
import { backupData } from "../../lib/archive/backup_data.ts";
import { BackupError } from "../../lib/archive/backup_folder.ts";
import { exportData } from "../../lib/archive/export_data.ts";
import { restoreFolder, RestoreSource } from "../../lib/archive/restore_data.ts";
import { verifyDataFolder } from "../../lib/archive/verify_data_folder.ts";
import { toFolderName } from "../../lib/world/name.ts";
import { Writer } from "../../lib/world/worker/writer.ts";
import { sampleSetup } from "../testdata/sample_world.ts";
import { putJob, removeJob } from "../testdata/test_writer.ts";
import { snapshotFolder } from "../support/snapshot_folder.ts";
import { withTempFolder } from "../support/temp_folder.ts";
import { fillData, fillRotated, KEY, OTHER_KEY } from "./fixtures.ts";

/** After the first run, whose events are of the day before, and before the second run. */
const BETWEEN = "2026-01-01T12:00:00.000Z";

/** A backup of two worlds that were changed and one that was deleted between two runs. */
async function withBackup(use: (folder: string) => Promise<void>): Promise<void> {
  await withTempFolder(async (folder) => {
    const data = `${folder}/data`;
    fillData(data);
    const options = {
      data,
      into: `${folder}/backup`,
      key: undefined,
      withKey: true,
      versions: 100,
    };
    await backupData(options);
    let now = Date.parse("2026-01-02T00:00:00.000Z");
    const clock = { now: () => new Date(now++).toISOString(), monotonic: () => 0 };
    const writer = new Writer({ ...sampleSetup(data), key: KEY }, clock);
    writer.apply([putJob("home/a", "changed"), removeJob("etc/conf"), putJob("home/late", "x")]);
    writer.close();
    await backupData(options);
    await use(folder);
  });
}

async function restore(
  path: string,
  into: string,
  names: readonly string[] = [""],
  at?: string,
): Promise<{ found: string[]; lost: readonly { name: string; reason: string }[] }> {
  const source = await RestoreSource.open(path, undefined);
  try {
    const { found, lost } = await restoreFolder(source, { into, names, at });
    return { found: found.map(({ name }) => name), lost };
  } finally {
    source.close();
  }
}

async function textOf(path: string, name: string, at?: string): Promise<string> {
  const source = await RestoreSource.open(path, undefined);
  try {
    const found = source.select({ names: [name], at }).found.find((world) => world.name === name);
    if (found === undefined) return "none";
    return new TextDecoder().decode(source.read(found, at).body);
  } finally {
    source.close();
  }
}

Deno.test("restoreFolder() creates a data folder that verifies, and changes no backup", () =>
  withBackup(async (folder) => {
    const before = snapshotFolder(`${folder}/backup`);
    const { found, lost } = await restore(`${folder}/backup`, `${folder}/new`);
    assertEquals([found, lost], [["home/a", "home/b c%d", "home/late"], []]);
    assertEquals(snapshotFolder(`${folder}/backup`), before);
    const checked = verifyDataFolder({ data: `${folder}/new`, key: KEY });
    assertEquals([checked.worlds, checked.broken], [3, []]);
    const own = [...Deno.readDirSync(`${folder}/new`)].map(({ name }) => name);
    for (const file of [".key", ".collections", ".names.db"]) assert(own.includes(file), file);
  }));

Deno.test("restoreFolder() goes back to a time, with what was deleted since", () =>
  withBackup(async (folder) => {
    const at = BETWEEN;
    const path = `${folder}/backup`;
    const { found, lost } = await restore(path, `${folder}/then`, [""], at);
    assertEquals([found, lost], [["etc/conf", "home/a", "home/b c%d"], []]);
    assertEquals(await textOf(path, "home/a", at), "one, two");
    assertEquals(await textOf(path, "home/a"), "changed");
    const checked = verifyDataFolder({ data: `${folder}/then`, key: KEY });
    assertEquals([checked.worlds, checked.broken], [3, []]);
    assertEquals(
      (await restore(path, `${folder}/none`, [""], "2020-01-01T00:00:00.000Z")).found,
      [],
    );
  }));

Deno.test("restoreFolder() restores one world or what is below a path, by whole segments", () =>
  withBackup(async (folder) => {
    const path = `${folder}/backup`;
    assertEquals((await restore(path, `${folder}/1`, ["home/a"])).found, ["home/a"]);
    assertEquals((await restore(path, `${folder}/2`, ["home"])).found.length, 3);
    assertEquals((await restore(path, `${folder}/3`, ["hom", "home/a/"])).found, []);
    const own = [...Deno.readDirSync(`${folder}/1`)].map(({ name }) => name).sort();
    assertEquals(own, [".key", toFolderName("home/a")]);
  }));

Deno.test("RestoreSource opens an archive and a data folder, and refuses anything else", () =>
  withBackup(async (folder) => {
    const file = `${folder}/all.tar.gz`;
    const { writable } = await Deno.open(file, { write: true, createNew: true });
    await exportData({ data: `${folder}/data`, sink: writable, withKey: true, versions: 100 });
    assertEquals(await textOf(file, "home/a"), "changed");
    assertEquals(await textOf(`${folder}/data`, "home/a"), "changed");
    Deno.mkdirSync(`${folder}/empty`);
    await assertRejects(
      () => textOf(`${folder}/empty`, "x"),
      errorWith(BackupError, "neither a backup"),
    );
    await assertRejects(() => textOf(`${folder}/missing`, "x"), Deno.errors.NotFound);
    Deno.writeTextFileSync(`${folder}/text`, "not an archive");
    await assertRejects(() => textOf(`${folder}/text`, "x"), Error);
  }));

Deno.test("restoreFolder() refuses a folder with entries, and reports what is damaged", () =>
  withBackup(async (folder) => {
    const path = `${folder}/backup`;
    await assertRejects(
      () => restore(path, `${folder}/data`),
      errorWith(BackupError, "is not empty"),
    );
    Deno.writeTextFileSync(`${path}/data/home%2Fa/universe.db`, "broken");
    const { found, lost } = await restore(path, `${folder}/new`);
    assertEquals(found, ["home/b c%d", "home/late"]);
    assertEquals(lost.map(({ name }) => name), ["home/a"]);
  }));

Deno.test("restoreFolder() writes where a link leads, and keeps the link", () =>
  withBackup(async (folder) => {
    Deno.mkdirSync(`${folder}/disk`);
    Deno.symlinkSync(`${folder}/disk`, `${folder}/link`);
    assertEquals((await restore(`${folder}/backup`, `${folder}/link/`)).found.length, 3);
    assert(Deno.lstatSync(`${folder}/link`).isSymlink);
    assertEquals(verifyDataFolder({ data: `${folder}/disk`, key: KEY }).worlds, 3);
  }));

Deno.test("restoreFolder() that is interrupted leaves no folder", () =>
  withBackup(async (folder) => {
    const source = await RestoreSource.open(`${folder}/backup`, undefined);
    const control = new AbortController();
    control.abort(new Error("stop"));
    const options = { into: `${folder}/new`, names: [""], signal: control.signal };
    await assertRejects(() => restoreFolder(source, options), errorWith(Error, "stop"));
    source.close();
    const left = [...Deno.readDirSync(folder)].map(({ name }) => name).sort();
    assertEquals(left, ["backup", "data"]);
  }));

Deno.test("restoreFolder() restores chains of retired keys with these keys, as of a time too", () =>
  withTempFolder(async (folder) => {
    const data = `${folder}/data`;
    fillRotated(data);
    const into = `${folder}/backup`;
    const options = { data, into, key: undefined, withKey: true, versions: 100 };
    await backupData(options);
    const keys = { key: OTHER_KEY, retiredKeys: [KEY] };
    for (const [i, at] of [undefined, "2026-12-31T00:00:00.000Z"].entries()) {
      const target = `${folder}/new${i}`;
      const { found, lost } = await restore(into, target, [""], at);
      assertEquals([found.length, lost], [4, []]);
      assertEquals(verifyDataFolder({ data: target, ...keys }).broken, []);
      assertEquals(Deno.readTextFileSync(`${target}/.key-retired`), `${KEY}\n`);
      assertEquals((Deno.statSync(`${target}/.key-retired`).mode ?? 0) & 0o777, 0o600);
    }
    // The keys are somewhere else.
    await backupData({ ...options, withKey: false });
    const at = "2026-12-31T00:00:00.000Z";
    for (const [retired, found, lost] of [[[KEY], 4, 0], [[], 1, 3]] as const) {
      const source = await RestoreSource.open(into, OTHER_KEY, retired);
      try {
        const selected = source.select({ names: [""], at });
        assertEquals([selected.found.length, selected.lost.length], [found, lost]);
      } finally {
        source.close();
      }
    }
  }));
