import { assert, assertEquals } from "../../support/assert.ts";
import { DatabaseSync } from "node:sqlite";
import { CATALOG_FILE } from "../../../lib/world/file/durable_fs.ts";
import { CatalogFile, statWorldFile } from "../../../lib/world/worker/catalog_file.ts";
import type { CatalogRow } from "../../../lib/world/store/worker_messages.ts";
import { Reader } from "../../../lib/world/worker/reader.ts";
import { sampleSetup } from "../../testdata/sample_world.ts";
import { putJob, testWriter } from "../../testdata/test_writer.ts";
import { withTempFolder } from "../../support/temp_folder.ts";

const NAMES = ["home/a", "home/b", "home/c"];

/** Creates three closed worlds and a catalog with their rows. */
function fill(data: string): CatalogRow[] {
  const writer = testWriter(data);
  writer.apply(NAMES.map((name) => putJob(name, name)));
  writer.close();
  const reader = new Reader(sampleSetup(data));
  const rows = NAMES.flatMap((name) => reader.stat(name) ?? []);
  assertEquals(rows.length, NAMES.length);
  const catalog = new CatalogFile(data);
  catalog.save(rows, []);
  catalog.close();
  return rows;
}

function scan(data: string): { rows: CatalogRow[]; unknown: string[] } {
  const catalog = new CatalogFile(data);
  const { rows, unindexed: unknown } = catalog.scan();
  catalog.close();
  return {
    rows: rows.toSorted((a, b) => a.name < b.name ? -1 : 1),
    unknown: unknown.toSorted(),
  };
}

function touch(data: string, folder: string): void {
  Deno.utimeSync(`${data}/${folder}/universe.db`, 1, 1);
}

Deno.test("CatalogFile.scan() returns rows whose files have not changed", () =>
  withTempFolder((data) => {
    const rows = fill(data);
    assertEquals(scan(data), { rows, unknown: [] });
  }));

Deno.test("CatalogFile.scan() lists worlds without a row as unindexed", () =>
  withTempFolder((data) => {
    fill(data);
    Deno.removeSync(`${data}/${CATALOG_FILE}`);
    assertEquals(scan(data), { rows: [], unknown: NAMES });
  }));

Deno.test("CatalogFile.scan() rejects rows with another time or size, with a log, or without a stamp", () =>
  withTempFolder((data) => {
    const rows = fill(data);
    touch(data, "home%2Fa");
    assertEquals(scan(data).unknown, ["home/a"]);
    Deno.writeFileSync(`${data}/home%2Fb/universe.db-wal`, new Uint8Array());
    assertEquals(scan(data).unknown, ["home/a", "home/b"]);
    const catalog = new CatalogFile(data);
    catalog.save([{ ...rows[2], mtime: 0 } as CatalogRow], []);
    catalog.close();
    assertEquals(scan(data).unknown, NAMES);
  }));

Deno.test("CatalogFile.scan() rejects a row with another size and the same time", () =>
  withTempFolder((data) => {
    fill(data);
    const path = `${data}/home%2Fa/universe.db`;
    const { mtime } = Deno.statSync(path);
    Deno.truncateSync(path, 4096);
    Deno.utimeSync(path, mtime ?? 0, mtime ?? 0);
    assertEquals(scan(data).unknown, ["home/a"]);
  }));

Deno.test("CatalogFile.scan() ignores other folders and drops rows of missing worlds", () =>
  withTempFolder((data) => {
    fill(data);
    Deno.removeSync(`${data}/home%2Fa`, { recursive: true });
    for (const folder of ["home%2Fempty", "notes", "home%2f", ".hidden", "home%2Fx%2F..", "lib"]) {
      Deno.mkdirSync(`${data}/${folder}`);
      if (folder !== "home%2Fempty") Deno.writeTextFileSync(`${data}/${folder}/universe.db`, "");
    }
    Deno.writeTextFileSync(`${data}/home%2Ffile`, "");
    const { rows, unknown } = scan(data);
    assertEquals([rows.map(({ name }) => name), unknown], [["home/b", "home/c"], []]);
    const db = new DatabaseSync(`${data}/${CATALOG_FILE}`);
    assertEquals(db.prepare("SELECT count(*) AS n FROM entries").get()?.n, 2);
    db.close();
  }));

const DAMAGE: Readonly<Record<string, (path: string) => void>> = {
  truncated: (path) => Deno.truncateSync(path, 5000),
  truncated_to_nothing: (path) => Deno.truncateSync(path, 0),
  garbage: (path) => Deno.writeFileSync(path, crypto.getRandomValues(new Uint8Array(20_000))),
  a_directory: (path) => {
    Deno.removeSync(path);
    Deno.mkdirSync(`${path}/x`, { recursive: true });
  },
  a_pipe: (path) => {
    Deno.removeSync(path);
    if (Deno.build.os !== "windows") new Deno.Command("mkfifo", { args: [path] }).outputSync();
  },
  missing: (path) => Deno.removeSync(path),
  of_another_shape: (path) => {
    Deno.removeSync(path);
    const db = new DatabaseSync(path);
    db.exec("CREATE TABLE entries (name, other); INSERT INTO entries VALUES ('home/a', 1)");
    db.close();
  },
  beside_a_log_of_garbage: (path) => Deno.writeTextFileSync(`${path}-wal`, "no log".repeat(999)),
  with_its_middle_overwritten: (path) => {
    const file = Deno.openSync(path, { write: true });
    file.seekSync(4096, Deno.SeekMode.Start);
    file.writeSync(new Uint8Array(4096).fill(0xa5));
    file.close();
  },
};

for (const [name, inflict] of Object.entries(DAMAGE)) {
  Deno.test(`CatalogFile replaces a catalog that is ${name}`, () =>
    withTempFolder((data) => {
      const rows = fill(data);
      inflict(`${data}/${CATALOG_FILE}`);
      const found = scan(data);
      assertEquals([...found.rows.map((row) => row.name), ...found.unknown].sort(), NAMES);
      const catalog = new CatalogFile(data);
      catalog.scan();
      catalog.save(rows, []);
      catalog.close();
      assertEquals(scan(data), { rows, unknown: [] });
    }));
}

Deno.test("CatalogFile.scan() rejects rows with values of other types", () =>
  withTempFolder((data) => {
    fill(data);
    const db = new DatabaseSync(`${data}/${CATALOG_FILE}`);
    db.exec("UPDATE entries SET mtime = 'soon' WHERE name = 'home/a'");
    db.exec("UPDATE entries SET version = 'many' WHERE name = 'home/b'");
    db.close();
    assertEquals(scan(data).unknown, ["home/a", "home/b"]);
  }));

Deno.test("CatalogFile.save() saves all rows or none", () =>
  withTempFolder((data) => {
    const rows = fill(data);
    const catalog = new CatalogFile(data);
    let failed = false;
    try {
      catalog.save([{ ...rows[0], version: Number.NaN } as CatalogRow], ["home/b"]);
    } catch {
      failed = true; // NOT NULL
    }
    assert(failed);
    catalog.save([], []);
    catalog.close();
    assertEquals(scan(data).rows, rows);
  }));

Deno.test("statWorldFile() reports whether a file has a log, and undefined without a file", () =>
  withTempFolder((data) => {
    assertEquals(statWorldFile(`${data}/f`), undefined);
    Deno.writeTextFileSync(`${data}/f`, "1234");
    Deno.utimeSync(`${data}/f`, 1000, 1000);
    assertEquals(statWorldFile(`${data}/f`), { mtime: 1_000_000, size: 4, hasLog: false });
    Deno.writeTextFileSync(`${data}/f-wal`, "");
    assertEquals(statWorldFile(`${data}/f`)?.hasLog, true);
  }));
