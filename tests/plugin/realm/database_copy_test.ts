import { assert, assertEquals, assertRejects } from "../../support/assert.ts";
import { DatabaseSync } from "node:sqlite";
import { MAX_QUERY_IMAGE_BYTES } from "../../../lib/cell_limits.ts";
import {
  applyWal,
  clearWalMode,
  copyDatabase,
  createNamedError,
  type DatabaseFiles,
} from "../../../lib/plugin/realm/database_copy.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/** A database whose last rows are in its write-ahead log only. */
function logged(pageSize = 4096): { main: Bytes; log: Bytes } {
  const folder = Deno.makeTempDirSync({ prefix: "elastik-copy-" });
  try {
    const path = `${folder}/a.db`;
    const database = new DatabaseSync(path);
    database.exec(`PRAGMA page_size = ${pageSize}; PRAGMA journal_mode = WAL;
      CREATE TABLE t(a); INSERT INTO t VALUES ('old');
      CREATE TABLE u(b); INSERT INTO u VALUES (zeroblob(200000)); PRAGMA wal_checkpoint(TRUNCATE);
      PRAGMA wal_autocheckpoint = 0;`);
    for (let i = 0; i < 50; i++) database.exec(`INSERT INTO t VALUES ('${"x".repeat(500)}')`);
    const main = Deno.readFileSync(path);
    const log = Deno.readFileSync(`${path}-wal`);
    database.close();
    return { main, log };
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}

function count(image: Bytes | undefined): number {
  assert(image);
  const database = new DatabaseSync(":memory:");
  try {
    // `@types/node` lacks `deserialize` (Deno 2.9.6).
    Reflect.get(database, "deserialize").call(database, clearWalMode(image));
    assertEquals(database.prepare("PRAGMA integrity_check").get()?.integrity_check, "ok");
    return Number(database.prepare("SELECT count(*) AS n FROM t").get()?.n);
  } finally {
    database.close();
  }
}

/** Files in memory. `act` runs before each stat of the database, with the number of stats so far. */
function diskOf(files: Map<string, Bytes>, act: (reads: number) => void = () => {}): DatabaseFiles {
  let reads = 0;
  return {
    stat(path) {
      if (path === "/a") act(reads++);
      const file = files.get(path);
      return Promise.resolve(file && { size: file.length, mtime: 1 });
    },
    read: (path, most) => Promise.resolve(files.get(path)?.slice(0, most)),
    sleep: () => Promise.resolve(),
  };
}

for (const pageSize of [512, 4096, 65536]) {
  Deno.test(`applyWal() applies the log to the file with pages of ${pageSize} bytes`, () => {
    const { main, log } = logged(pageSize);
    assertEquals(count(main.slice()), 1);
    assertEquals(count(applyWal(main, log)), 51);
  });
}

Deno.test("applyWal() stops at an incomplete or damaged frame", () => {
  const { main, log } = logged();
  const frame = 24 + 4096;
  const cut = applyWal(main, log.subarray(0, log.length - 100));
  assert(count(cut) < 51);
  assert(count(cut) > 1);
  for (const at of [16, 8, 30]) {
    const torn = log.slice();
    const second = 32 + 3 * frame + at;
    torn[second] = (torn[second] ?? 0) ^ 1;
    assert(count(applyWal(main, torn)) < 51);
  }
});

Deno.test("applyWal() returns the file unchanged if the log is empty or invalid", () => {
  const { main, log } = logged();
  const broken = log.slice();
  broken[25] = (broken[25] ?? 0) ^ 1;
  for (const none of [new Uint8Array(), log.subarray(0, 20), broken, new Uint8Array(5000)]) {
    assertEquals(applyWal(main, none), main);
  }
});

Deno.test("applyWal() returns undefined if pages are missing in both", () => {
  const { main, log } = logged();
  assertEquals(applyWal(main.subarray(0, 8192), log), undefined);
});

Deno.test("copyDatabase() returns the file with its log applied", async () => {
  const { main, log } = logged();
  assertEquals(
    count(await copyDatabase(diskOf(new Map([["/a", main], ["/a-wal", log]])), "/a")),
    51,
  );
  assertEquals(count(await copyDatabase(diskOf(new Map([["/a", main]])), "/a")), 1);
});

Deno.test("copyDatabase() reads again if the log restarted during the read", async () => {
  const { main, log } = logged();
  const other = log.slice();
  other[17] = (other[17] ?? 0) ^ 1;
  const files = new Map([["/a", main], ["/a-wal", other]]);
  let reads = 0;
  const disk = diskOf(files, (count) => {
    reads = count + 1;
    if (count === 1) files.set("/a-wal", log);
  });
  assertEquals(count(await copyDatabase(disk, "/a")), 51);
  assertEquals(reads, 4);
});

Deno.test("copyDatabase() waits while there is a hot journal, and then rejects with Busy", async () => {
  const { main } = logged();
  const journal = new Uint8Array(512).fill(7);
  const files = new Map<string, Bytes>([["/a", main], ["/a-journal", journal]]);
  const disk = diskOf(
    files,
    (reads) => reads === 3 && files.set("/a-journal", new Uint8Array(512)),
  );
  assertEquals(count(await copyDatabase(disk, "/a")), 1);
  files.set("/a-journal", journal);
  await assertRejects(copyDatabase(diskOf(files), "/a"), { name: "Busy" });
});

Deno.test("copyDatabase() rejects with Busy if the file changes during each read, and with NotFound", async () => {
  const { main } = logged();
  const files = new Map([["/a", main]]);
  const changing = diskOf(files, (reads) => {
    const next = main.slice();
    next[27] = reads;
    files.set("/a", next);
  });
  await assertRejects(copyDatabase(changing, "/a"), { name: "Busy" });
  await assertRejects(copyDatabase(diskOf(files), "/b"), { name: "NotFound" });
});

Deno.test("copyDatabase() rejects a file that is too long without reading it", async () => {
  const disk: DatabaseFiles = {
    stat: (path) =>
      Promise.resolve(path === "/a" ? { size: MAX_QUERY_IMAGE_BYTES + 1, mtime: 1 } : undefined),
    read: (_path, most) => {
      assert(most !== undefined && most <= 100);
      return Promise.resolve(new Uint8Array(most));
    },
    sleep: () => Promise.resolve(),
  };
  await assertRejects(copyDatabase(disk, "/a"), { name: "QuotaExceededError" });
});

Deno.test("copyDatabase() returns a consistent image while another connection writes and checkpoints", async () => {
  const folder = await Deno.makeTempDir({ prefix: "elastik-copy-" });
  try {
    const path = `${folder}/a.db`;
    const writer = new DatabaseSync(path);
    writer.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF; CREATE TABLE t(a)");
    const disk: DatabaseFiles = {
      stat: async (file) => {
        write();
        const found = await Deno.stat(file).catch(() => undefined);
        return found && { size: found.size, mtime: found.mtime?.getTime() ?? 0 };
      },
      read: async (file, most) => {
        write();
        return (await Deno.readFile(file).catch(() => undefined))?.slice(0, most);
      },
      sleep: () => Promise.resolve(),
    };
    let written = 0;
    const write = (): void => {
      writer.exec(`INSERT INTO t VALUES ('${"y".repeat(3000)}')`);
      if (++written % 40 === 0) writer.exec("PRAGMA wal_checkpoint(RESTART)");
    };
    write();
    for (let i = 0; i < 20; i++) {
      const before = written;
      const found = count(await copyDatabase(disk, path));
      assert(found >= before && found <= written, `${before} ${found} ${written}`);
    }
    writer.close();
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("clearWalMode() changes bytes 18 and 19 of a WAL image and nothing else", () => {
  const { main } = logged();
  assertEquals([main[18], main[19]], [2, 2]);
  assertEquals([clearWalMode(main)[18], main[19], main[20]], [1, 1, 0]);
  assertEquals(clearWalMode(new Uint8Array(3)), new Uint8Array(3));
});

Deno.test("createNamedError() returns an error with the name and message", () => {
  const { name, message } = createNamedError("Busy", "words");
  assertEquals([name, message], ["Busy", "words"]);
});
