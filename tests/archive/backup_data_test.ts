import { assert, assertEquals, assertMatch, assertRejects, errorWith } from "../support/assert.ts";
import { backupData, type BackupOptions } from "../../lib/archive/backup_data.ts";
import { BackupError } from "../../lib/archive/backup_folder.ts";
import { RestoreSource } from "../../lib/archive/restore_data.ts";
import { verifyDataFolder } from "../../lib/archive/verify_data_folder.ts";
import { appendJob, putJob, removeJob, testWriter } from "../testdata/test_writer.ts";
import { snapshotFolder } from "../support/snapshot_folder.ts";
import { withTempFolder } from "../support/temp_folder.ts";
import { fillData, KEY, OTHER_KEY, rotateAndChange } from "./fixtures.ts";

const DAY_MS = 24 * 3600 * 1000;

/** Backs up `data` into `backup` of a folder. */
function backUp(folder: string, more: Partial<BackupOptions> = {}) {
  return backupData({
    data: `${folder}/data`,
    into: `${folder}/backup`,
    key: undefined,
    withKey: true,
    versions: 100,
    ...more,
  });
}

/** Waits until a later change of a file must change its state. */
function settle(): Promise<void> {
  return new Promise((resume) => setTimeout(resume, 2100));
}

function write(folder: string, ...jobs: Parameters<ReturnType<typeof testWriter>["apply"]>[0]) {
  const writer = testWriter(`${folder}/data`, { key: KEY });
  const replies = writer.apply(jobs);
  writer.close();
  for (const reply of replies) assert(!("error" in reply), JSON.stringify(reply));
}

async function isIncomplete(folder: string): Promise<boolean> {
  const source = await RestoreSource.open(`${folder}/backup`, undefined);
  source.close();
  return source.isIncomplete;
}

function listLatest(folder: string): string[] {
  return [...Deno.readDirSync(`${folder}/backup/data`)].map(({ name }) => name)
    .filter((name) => !name.startsWith(".")).sort();
}

Deno.test("backupData() copies every world once, then only what has changed", () =>
  withTempFolder(async (folder) => {
    fillData(`${folder}/data`);
    await settle();
    const before = snapshotFolder(`${folder}/data`);
    const first = await backUp(folder);
    assertEquals([first.worlds, first.copied, first.damaged, first.broken], [3, 3, [], []]);
    assertEquals(snapshotFolder(`${folder}/data`), before, "the data folder was changed");
    assertEquals((await backUp(folder)).copied, 0);
    write(folder, appendJob("home/a", ", three"), putJob("home/new", "new"));
    await settle();
    const third = await backUp(folder);
    assertEquals([third.worlds, third.copied], [4, 2]);
    assertEquals((await backUp(folder)).copied, 0);
    const checked = verifyDataFolder({ data: `${folder}/backup/data`, key: KEY });
    assertEquals([checked.worlds, checked.broken], [4, []]);
    for (const path of ["elastik-backup.json", "data/.key", "data/home%2Fa/universe.db"]) {
      assertEquals((Deno.statSync(`${folder}/backup/${path}`).mode ?? 0) & 0o077, 0, path);
    }
  }));

Deno.test("backupData() copies a world again whose file changed in the last two seconds", () =>
  withTempFolder(async (folder) => {
    fillData(`${folder}/data`);
    // The time of a change that is less than two seconds ago, however long a backup takes.
    const soon = new Date(Date.now() + 3_600_000);
    for (const { name, isDirectory } of Deno.readDirSync(`${folder}/data`)) {
      const file = `${folder}/data/${name}/universe.db`;
      if (isDirectory && !name.startsWith(".")) Deno.utimeSync(file, soon, soon);
    }
    assertEquals((await backUp(folder)).copied, 3);
    assertEquals((await backUp(folder)).copied, 3, "a change in the same moment could be missed");
  }));

Deno.test("backupData() copies everything again if its states are lost, and what is missing", () =>
  withTempFolder(async (folder) => {
    fillData(`${folder}/data`);
    await settle();
    await backUp(folder);
    Deno.removeSync(`${folder}/backup/data/home%2Fa`, { recursive: true });
    assertEquals((await backUp(folder)).copied, 1);
    Deno.writeTextFileSync(`${folder}/backup/.states.json`, "{");
    assertEquals((await backUp(folder)).copied, 3);
  }));

Deno.test("backupData() keeps deleted worlds apart, and drops them after their time", () =>
  withTempFolder(async (folder) => {
    fillData(`${folder}/data`);
    await backUp(folder);
    write(folder, removeJob("home/a"), putJob("home/short", "x"), removeJob("home/short"));
    const second = await backUp(folder);
    assertEquals([second.worlds, second.deleted], [2, 2]);
    assertEquals(listLatest(folder), ["etc%2Fconf", "home%2Fb c%25d"]);
    assertEquals((await backUp(folder)).deleted, 0, "an entry of the trash is copied once");
    // Without the trash and its time, the last copy is what there is.
    Deno.removeSync(`${folder}/data/etc%2Fconf`, { recursive: true });
    assertEquals((await backUp(folder)).deleted, 1);
    const kept = [...Deno.readDirSync(`${folder}/backup/deleted`)].map(({ name }) => name);
    assertEquals(kept.length, 3);
    assertEquals((await backUp(folder, { keepMs: 365_000 * DAY_MS })).dropped, 0);
    // The times of the test writer are in January 2026.
    assertEquals((await backUp(folder, { keepMs: DAY_MS })).dropped, 2);
  }));

Deno.test("backupData() does not keep a world that was moved as a deleted one", () =>
  withTempFolder(async (folder) => {
    fillData(`${folder}/data`);
    await backUp(folder);
    Deno.renameSync(`${folder}/data/home%2Fa`, `${folder}/data/home%2Fmoved`);
    const { deleted } = await backUp(folder);
    assertEquals(deleted, 0);
    assertEquals(listLatest(folder), ["etc%2Fconf", "home%2Fb c%25d", "home%2Fmoved"]);
  }));

Deno.test("backupData() keeps the earlier copy of a damaged world, and reports a broken chain", () =>
  withTempFolder(async (folder) => {
    fillData(`${folder}/data`);
    await backUp(folder);
    const copy = `${folder}/backup/data/home%2Fa/universe.db`;
    const before = Deno.readFileSync(copy);
    Deno.writeTextFileSync(`${folder}/data/home%2Fa/universe.db`, "not a database".repeat(100));
    await settle();
    await backUp(folder);
    // Each run reports it again.
    const second = await backUp(folder);
    assertEquals(second.damaged.map((world) => world.folder), ["home%2Fa"]);
    assertEquals([second.worlds, second.deleted], [3, 0]);
    assertEquals(Deno.readFileSync(copy), before);
    const other = `${folder}/other`;
    const third = await backUp(folder, { key: "ff".repeat(32), into: other });
    assertEquals(third.broken.map(({ name }) => name).sort(), ["etc/conf", "home/b c%d"]);
  }));

Deno.test("backupData() keeps the earlier copy of a world whose file was replaced", () =>
  withTempFolder(async (folder) => {
    fillData(`${folder}/data`);
    const older = Deno.readFileSync(`${folder}/data/home%2Fa/universe.db`);
    write(folder, appendJob("home/a", ", three"));
    await backUp(folder);
    Deno.writeFileSync(`${folder}/data/home%2Fa/universe.db`, older);
    const { copied, deleted } = await backUp(folder);
    assert(copied > 0);
    assertEquals(deleted, 1);
    const source = await RestoreSource.open(`${folder}/backup`, undefined);
    const text = (at?: string) => {
      const [found] = source.select({ names: ["home/a"], at }).found;
      return found === undefined ? "" : new TextDecoder().decode(source.read(found, at).body);
    };
    assertEquals([text(), text("2026-01-05T00:00:00.000Z")], ["one, two", "one, two, three"]);
    source.close();
  }));

Deno.test("backupData() leaves out the key on request, also of an earlier backup", () =>
  withTempFolder(async (folder) => {
    fillData(`${folder}/data`);
    const own = () => [...Deno.readDirSync(`${folder}/backup/data`)].map(({ name }) => name);
    assertEquals((await backUp(folder)).includesKey, true);
    assert(own().includes(".key") && own().includes(".collections"), own().join());
    assert(!own().includes(".approve-token"), "a token is in the backup");
    assertEquals((await backUp(folder, { withKey: false })).includesKey, false);
    assert(!own().includes(".key"), own().join());
  }));

Deno.test("backupData() refuses a target inside the data folder, the reverse, and other files", () =>
  withTempFolder(async (folder) => {
    fillData(`${folder}/data`);
    for (const into of ["data", "data/backup", "data/a/b"]) {
      await assertRejects(
        () => backUp(folder, { into: `${folder}/${into}` }),
        errorWith(BackupError, "one is inside the other"),
      );
    }
    await backUp(folder);
    await assertRejects(
      () => backUp(folder, { data: `${folder}/backup/data` }),
      errorWith(BackupError, "one is inside the other"),
    );
    Deno.mkdirSync(`${folder}/other`);
    Deno.writeTextFileSync(`${folder}/other/file`, "");
    await assertRejects(
      () => backUp(folder, { into: `${folder}/other` }),
      errorWith(BackupError, "other files"),
    );
    await assertRejects(() => backUp(folder, { data: `${folder}/none` }), Deno.errors.NotFound);
  }));

Deno.test("backupData() that is interrupted keeps what it copied, and continues", () =>
  withTempFolder(async (folder) => {
    fillData(
      `${folder}/data`,
      KEY,
      Array.from({ length: 40 }, (_, i) => putJob(`home/w${i}`, "x")),
    );
    await settle();
    const control = new AbortController();
    const onProgress = (done: number) => void (done === 20 && control.abort(new Error("stop")));
    await assertRejects(
      () => backUp(folder, { signal: control.signal, onProgress }),
      errorWith(Error, "stop"),
    );
    // What it copied can be verified and restored, but is not taken for everything.
    const checked = verifyDataFolder({ data: `${folder}/backup/data`, key: KEY });
    assert(checked.worlds > 0 && checked.worlds < 43, `${checked.worlds} worlds`);
    assertEquals(Deno.readTextFileSync(`${folder}/backup/data/.key`).trim(), KEY);
    assertEquals(await isIncomplete(folder), true);
    const second = await backUp(folder);
    assert(second.copied < 43 && second.copied > 0, `${second.copied} copied`);
    assertEquals([second.worlds, await isIncomplete(folder)], [43, false]);
    assertMatch(String((await backUp(folder)).copied), /^0$/);
  }));

Deno.test("backupData() verifies chains of retired keys, and continues a backup from before a rotation", () =>
  withTempFolder(async (folder) => {
    fillData(`${folder}/data`);
    await settle();
    await backUp(folder);
    rotateAndChange(`${folder}/data`);
    const second = await backUp(folder);
    assertEquals([second.copied, second.deleted, second.broken], [2, 0, []]);
    assertEquals([second.includesKey, second.hasRetiredKeys], [true, true]);
    const data = `${folder}/backup/data`;
    assertEquals(Deno.readTextFileSync(`${data}/.key-retired`), `${KEY}\n`);
    assertEquals((Deno.statSync(`${data}/.key-retired`).mode ?? 0) & 0o777, 0o600);
    const keys = { key: OTHER_KEY, retiredKeys: [KEY] };
    assertEquals(verifyDataFolder({ data, ...keys }).broken, []);
    const without = await backUp(folder, { withKey: false });
    assertEquals([without.includesKey, without.hasRetiredKeys], [false, true]);
    const own = [...Deno.readDirSync(data)].map(({ name }) => name);
    assert(!own.some((name) => name.startsWith(".key")), own.join());
  }));
