import { assert, assertEquals, assertThrows } from "../../support/assert.ts";
import { DatabaseSync } from "node:sqlite";
import { createChainSigner } from "../../../lib/world/event_chain.ts";
import { Reader } from "../../../lib/world/worker/reader.ts";
import { copyWorld } from "../../../lib/world/file/copy_world.ts";
import * as sql from "../../../lib/world/file/sql.ts";
import { verifyWorld, type WorldFault } from "../../../lib/world/file/verify_world.ts";
import {
  createSample,
  damages,
  damageSample,
  SAMPLE_FILE,
  SAMPLE_KEY,
  SAMPLE_NAME,
  sampleSetup,
} from "../../testdata/sample_world.ts";
import {
  appendJob,
  noteJob,
  putJob,
  removeWithoutMove,
  testWriter,
} from "../../testdata/test_writer.ts";
import { withTempFolder } from "../../support/temp_folder.ts";

const NEW_KEY = "ab".repeat(32);
const OLD = createChainSigner(SAMPLE_KEY);
const SIGNERS = { from: OLD, to: createChainSigner(NEW_KEY) };

/** Copies the sample world of a folder and passes copy and original to `use`. */
function withCopy<T>(
  data: string,
  options: Parameters<typeof copyWorld>[2],
  use: (copy: DatabaseSync, from: DatabaseSync) => T,
): T {
  const from = new DatabaseSync(`${data}/${SAMPLE_FILE}`);
  const copy = new DatabaseSync(":memory:");
  try {
    copyWorld(from, copy, options);
    return use(copy, from);
  } finally {
    copy.close();
    from.close();
  }
}

/** Returns all rows of the four tables, sorted by key. */
function rowsOf(db: DatabaseSync): unknown {
  return ["stage_meta", "events", "history", "content"].map((table) =>
    db.prepare(`SELECT * FROM ${table} ORDER BY 1`).all()
  );
}

/** Returns the faults of a world that is verified with a key. */
function faultsOf(db: DatabaseSync, key: string): readonly WorldFault[] {
  return verifyWorld(db, SAMPLE_NAME, createChainSigner(key)).faults;
}

/** Loads the bytes of a snapshot into a database. */
function opened(bytes: Uint8Array): DatabaseSync {
  const db = new DatabaseSync(":memory:");
  db.deserialize(bytes);
  return db;
}

function bytesOf(found: Awaited<ReturnType<Reader["snapshot"]>>): Uint8Array {
  if (found === undefined || !("bytes" in found)) throw new Error("no copy in memory");
  return found.bytes;
}

Deno.test("copyWorld() copies row, chain and history unchanged", () =>
  withTempFolder((data) => {
    createSample(data);
    withCopy(data, { versions: 100 }, (copy, from) => {
      assertEquals(rowsOf(copy), rowsOf(from));
      assertEquals(faultsOf(copy, SAMPLE_KEY), []);
    });
  }));

Deno.test("copyWorld() signs a chain so that it is valid only under the new key", () =>
  withTempFolder((data) => {
    createSample(data);
    withCopy(data, { versions: 100, signers: SIGNERS }, (copy, from) => {
      assertEquals(faultsOf(copy, NEW_KEY), []);
      assertEquals(faultsOf(copy, SAMPLE_KEY).map(({ check, event }) => [check, event]), [[
        "chain",
        1,
      ]]);
      const query = "SELECT id, timestamp, event_type, payload FROM events ORDER BY id";
      assertEquals(copy.prepare(query).all(), from.prepare(query).all());
      assertEquals(faultsOf(from, SAMPLE_KEY), []);
    });
  }));

for (const damage of damages("chains")) {
  Deno.test(`copyWorld() keeps a broken chain broken under both keys: ${damage.title}`, () =>
    withTempFolder((data) => {
      createSample(data);
      damageSample(data, damage);
      if (damage.title.endsWith("table_missing")) {
        assertThrows(() => withCopy(data, { versions: 100 }, () => {}), /no such table/);
        return;
      }
      const before = withCopy(data, { versions: 100 }, (copy, from) => {
        assertEquals(rowsOf(copy), rowsOf(from));
        return faultsOf(copy, SAMPLE_KEY);
      });
      assert(before.length > 0);
      const after = withCopy(
        data,
        { versions: 100, signers: SIGNERS },
        (copy) => faultsOf(copy, NEW_KEY),
      );
      const where = (faults: typeof before) => faults.map(({ check, event }) => [check, event]);
      assertEquals(where(after), where(before));
    }));
}

for (const damage of [...damages("rows"), ...damages("history")]) {
  Deno.test(`copyWorld() keeps the faults of row and history: ${damage.title}`, () =>
    withTempFolder((data) => {
      createSample(data);
      damageSample(data, damage);
      const [first] = damage.findings;
      if (first?.check === "unreadable") {
        assertThrows(() => withCopy(data, { versions: 100, signers: SIGNERS }, () => {}));
        return;
      }
      // Bytes without a version cannot be read and are not copied, so that the copy has no fault.
      const isUnused = damage.title.endsWith("bytes_without_version");
      withCopy(data, { versions: 100, signers: SIGNERS }, (copy) => {
        assertEquals(
          faultsOf(copy, NEW_KEY).map(({ check }) => check),
          isUnused ? [] : damage.findings.map(({ check }) => check),
        );
      });
    }));
}

Deno.test("copyWorld() does not copy versions beyond the limit", () =>
  withTempFolder((data) => {
    const writer = testWriter(data);
    const texts = ["first secret", "second secret", "third", "fourth"];
    writer.apply(texts.map((text) => putJob(SAMPLE_NAME, text)));
    writer.close();
    // The folder was written with a limit of 100 versions and is copied with a limit of 1.
    withCopy(data, { versions: 1, signers: SIGNERS }, (copy) => {
      assertEquals(copy.prepare("SELECT version FROM history").all().map((row) => row.version), [
        3,
      ]);
      const image = new TextDecoder("latin1").decode(copy.serialize());
      assert(image.includes("third") && image.includes("fourth"));
      assert(!image.includes("secret"), "the copy contains a dropped version");
      assertEquals(faultsOf(copy, NEW_KEY), []);
    });
    withCopy(data, { versions: 0 }, (copy) => {
      assertEquals(copy.prepare("SELECT count(*) AS n FROM content").get()?.n, 0);
      assertEquals(faultsOf(copy, SAMPLE_KEY), []);
    });
  }));

Deno.test("copyWorld() does not copy pages with deleted bytes", () =>
  withTempFolder((data) => {
    const writer = testWriter(data, { history: { versions: 0, bytes: 0 } });
    writer.apply([putJob(SAMPLE_NAME, "a secret ".repeat(2000)), putJob(SAMPLE_NAME, "nothing")]);
    writer.close();
    const file = new TextDecoder("latin1").decode(Deno.readFileSync(`${data}/${SAMPLE_FILE}`));
    assert(
      file.includes("a secret"),
      "the file itself keeps no such page; the test proves nothing",
    );
    withCopy(data, { versions: 0 }, (copy) => {
      assert(!new TextDecoder("latin1").decode(copy.serialize()).includes("a secret"));
    });
  }));

Deno.test("copyWorld() copies integers beyond 2^53 and events with negative ids", () =>
  withTempFolder((data) => {
    createSample(data);
    const db = new DatabaseSync(`${data}/${SAMPLE_FILE}`);
    for (const id of [-(2n ** 62n), 2n ** 62n]) {
      db.prepare(sql.INSERT_EVENT).run(id, "t", "x", "{}", "h", "p");
    }
    db.close();
    withCopy(data, { versions: 100, signers: SIGNERS }, (copy, from) => {
      const ids = (database: DatabaseSync) => {
        const statement = database.prepare("SELECT id FROM events ORDER BY id");
        statement.setReadBigInts(true);
        return statement.all();
      };
      assertEquals(ids(copy), ids(from));
      assertThrows(() => faultsOf(copy, NEW_KEY), /too large/);
    });
  }));

Deno.test("Reader.snapshot() copies the content of the log into a file without a log", () =>
  withTempFolder(async (data) => {
    const writer = testWriter(data);
    writer.apply([putJob(SAMPLE_NAME, "1"), appendJob(SAMPLE_NAME, "2"), noteJob(SAMPLE_NAME)]);
    const reader = new Reader(sampleSetup(data));
    const bytes = bytesOf(await reader.snapshot(SAMPLE_NAME, `${data}/copy.db`, NEW_KEY));
    assertEquals([...bytes.subarray(18, 20)], [1, 1]);
    const db = opened(bytes);
    assertEquals(faultsOf(db, NEW_KEY), []);
    assertEquals(db.prepare("SELECT version FROM stage_meta").get()?.version, 2);
    db.close();
    // The writer and the copy do not block each other.
    writer.apply([appendJob(SAMPLE_NAME, "3")]);
    writer.close();
    assertEquals(reader.read(SAMPLE_NAME)?.version, 3);
  }));

Deno.test("Reader.snapshot() copies a long world to a file that only this user can read", () =>
  withTempFolder(async (data) => {
    const writer = testWriter(data, { maxWorldBytes: 1 << 30 });
    writer.apply([
      putJob(SAMPLE_NAME, new Uint8Array(3_000_000).fill(7)),
      appendJob(SAMPLE_NAME, "end"),
    ]);
    writer.close();
    const path = `${data}/copy.db`;
    const found = await new Reader(sampleSetup(data)).snapshot(SAMPLE_NAME, path, NEW_KEY);
    assert(found !== undefined && "path" in found);
    assertEquals(found.path, path);
    assertEquals(found.length, Deno.statSync(path).size);
    if (Deno.build.os !== "windows") assertEquals((Deno.statSync(path).mode ?? 0) & 0o777, 0o600);
    const db = new DatabaseSync(path, { readOnly: true });
    assertEquals(faultsOf(db, NEW_KEY), []);
    db.close();
    assertEquals(
      [...Deno.readDirSync(data)].filter(({ name }) => name.startsWith("copy")).length,
      1,
    );
  }));

Deno.test("Reader.snapshot() removes an incomplete file after an error", () =>
  withTempFolder(async (data) => {
    const writer = testWriter(data, { maxWorldBytes: 1 << 30 });
    writer.apply([putJob(SAMPLE_NAME, new Uint8Array(3_000_000).fill(7))]);
    writer.close();
    const db = new DatabaseSync(`${data}/${SAMPLE_FILE}`);
    db.exec("DELETE FROM stage_meta");
    db.close();
    const reader = new Reader(sampleSetup(data));
    const failed = await reader.snapshot(SAMPLE_NAME, `${data}/copy.db`).catch((error) =>
      error.code
    );
    assertEquals(failed, "damaged");
    assertEquals([...Deno.readDirSync(data)].filter(({ name }) => name.startsWith("copy")), []);
  }));

Deno.test("Reader.snapshot() returns undefined for a world that does not exist or is deleted", () =>
  withTempFolder(async (data) => {
    const reader = new Reader(sampleSetup(data));
    assertEquals(await reader.snapshot("home/none", `${data}/copy.db`), undefined);
    const writer = testWriter(data);
    writer.apply([putJob(SAMPLE_NAME, "1")]);
    writer.close();
    removeWithoutMove(data, SAMPLE_NAME);
    assertEquals(await reader.snapshot(SAMPLE_NAME, `${data}/copy.db`), undefined);
  }));
