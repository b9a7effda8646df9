import { deepStrictEqual as equal, ok, throws } from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { createChainSigner } from "../../../lib/world/event_chain.ts";
import { Reader } from "../../../lib/world/worker/reader.ts";
import { copyWorld } from "../../../lib/world/file/copy_world.ts";
import * as sql from "../../../lib/world/file/sql.ts";
import { verifyWorld, type WorldFault } from "../../../lib/world/file/verify_world.ts";
import {
  breakPiece,
  exhibits,
  makePiece,
  MUSEUM_KEY,
  museumSetup,
  PIECE,
  PIECE_FILE,
} from "../../testdata/museum.ts";
import { withTempData } from "../../testdata/temp_data.ts";
import { appendJob, noteJob, putJob, removeJob, testWriter } from "../../testdata/test_writer.ts";

const NEW_KEY = "ab".repeat(32);
const OLD = createChainSigner(MUSEUM_KEY);
const RESIGN = { from: OLD, to: createChainSigner(NEW_KEY) };

/** Copies the museum piece of a folder, and lends both out. */
function withCopy<T>(
  data: string,
  options: Parameters<typeof copyWorld>[2],
  use: (copy: DatabaseSync, from: DatabaseSync) => T,
): T {
  const from = new DatabaseSync(`${data}/${PIECE_FILE}`);
  const copy = new DatabaseSync(":memory:");
  try {
    copyWorld(from, copy, options);
    return use(copy, from);
  } finally {
    copy.close();
    from.close();
  }
}

/** Everything in the four tables, in the order of their keys. */
function rowsOf(db: DatabaseSync): unknown {
  return ["stage_meta", "events", "history", "content"].map((table) =>
    db.prepare(`SELECT * FROM ${table} ORDER BY 1`).all()
  );
}

/** What a check says of an image under a key, or why it could not be checked. */
function faultsOf(db: DatabaseSync, key: string): readonly WorldFault[] {
  return verifyWorld(db, PIECE, createChainSigner(key)).faults;
}

/** What a snapshot holds, as a database of its own. */
function opened(bytes: Uint8Array): DatabaseSync {
  const db = new DatabaseSync(":memory:");
  db.deserialize(bytes);
  return db;
}

function bytesOf(found: Awaited<ReturnType<Reader["snapshot"]>>): Uint8Array {
  if (found === undefined || !("bytes" in found)) throw new Error("no copy in memory");
  return found.bytes;
}

Deno.test("copyWorld() copies row, chain and history as they are", () =>
  withTempData((data) => {
    makePiece(data);
    withCopy(data, { versions: 100 }, (copy, from) => {
      equal(rowsOf(copy), rowsOf(from));
      equal(faultsOf(copy, MUSEUM_KEY), []);
    });
  }));

Deno.test("copyWorld() signs a chain anew that then holds under the new key alone", () =>
  withTempData((data) => {
    makePiece(data);
    withCopy(data, { versions: 100, resign: RESIGN }, (copy, from) => {
      equal(faultsOf(copy, NEW_KEY), []);
      equal(faultsOf(copy, MUSEUM_KEY).map(({ check, event }) => [check, event]), [["chain", 1]]);
      const told = "SELECT id, timestamp, event_type, payload FROM events ORDER BY id";
      equal(copy.prepare(told).all(), from.prepare(told).all());
      equal(faultsOf(from, MUSEUM_KEY), []);
    });
  }));

for (const exhibit of exhibits("chains")) {
  Deno.test(`copyWorld() keeps what is broken broken, whoever signs it: ${exhibit.title}`, () =>
    withTempData((data) => {
      makePiece(data);
      breakPiece(data, exhibit);
      if (exhibit.title.endsWith("table_missing")) {
        throws(() => withCopy(data, { versions: 100 }, () => {}), /no such table/);
        return;
      }
      const before = withCopy(data, { versions: 100 }, (copy, from) => {
        equal(rowsOf(copy), rowsOf(from));
        return faultsOf(copy, MUSEUM_KEY);
      });
      ok(before.length > 0);
      const after = withCopy(
        data,
        { versions: 100, resign: RESIGN },
        (copy) => faultsOf(copy, NEW_KEY),
      );
      const where = (faults: typeof before) => faults.map(({ check, event }) => [check, event]);
      equal(where(after), where(before));
    }));
}

for (const exhibit of [...exhibits("rows"), ...exhibits("history")]) {
  Deno.test(`copyWorld() makes nothing whole that was not: ${exhibit.title}`, () =>
    withTempData((data) => {
      makePiece(data);
      breakPiece(data, exhibit);
      const [first] = exhibit.findings;
      if (first?.check === "unreadable") {
        throws(() => withCopy(data, { versions: 100, resign: RESIGN }, () => {}));
        return;
      }
      // Bytes that no version has can be read by nobody, so they stay behind, and the fault with them.
      const loose = exhibit.title.endsWith("bytes_without_version");
      withCopy(data, { versions: 100, resign: RESIGN }, (copy) => {
        equal(
          faultsOf(copy, NEW_KEY).map(({ check }) => check),
          loose ? [] : exhibit.findings.map(({ check }) => check),
        );
      });
    }));
}

Deno.test("copyWorld() leaves behind what readers may no longer have", () =>
  withTempData((data) => {
    const writer = testWriter(data);
    const texts = ["first secret", "second secret", "third", "fourth"];
    writer.apply(texts.map((text) => putJob(PIECE, text)));
    writer.close();
    // The folder was written with a hundred versions kept; readers of one that keeps one have one.
    withCopy(data, { versions: 1, resign: RESIGN }, (copy) => {
      equal(copy.prepare("SELECT version FROM history").all().map((row) => row.version), [3]);
      const image = new TextDecoder("latin1").decode(copy.serialize());
      ok(image.includes("third") && image.includes("fourth"));
      ok(!image.includes("secret"), "a version that was let go is in the copy");
      equal(faultsOf(copy, NEW_KEY), []);
    });
    withCopy(data, { versions: 0 }, (copy) => {
      equal(copy.prepare("SELECT count(*) AS n FROM content").get()?.n, 0);
      equal(faultsOf(copy, MUSEUM_KEY), []);
    });
  }));

Deno.test("copyWorld() takes no page that the file keeps of bytes it let go", () =>
  withTempData((data) => {
    const writer = testWriter(data, { history: { versions: 0, bytes: 0 } });
    writer.apply([putJob(PIECE, "a secret ".repeat(2000)), putJob(PIECE, "nothing")]);
    writer.close();
    const file = new TextDecoder("latin1").decode(Deno.readFileSync(`${data}/${PIECE_FILE}`));
    ok(file.includes("a secret"), "the file itself keeps no such page; the test proves nothing");
    withCopy(data, { versions: 0 }, (copy) => {
      ok(!new TextDecoder("latin1").decode(copy.serialize()).includes("a secret"));
    });
  }));

Deno.test("copyWorld() copies numbers that no script counts to, and rows before the first", () =>
  withTempData((data) => {
    makePiece(data);
    const db = new DatabaseSync(`${data}/${PIECE_FILE}`);
    for (const id of [-(2n ** 62n), 2n ** 62n]) {
      db.prepare(sql.INSERT_EVENT).run(id, "t", "x", "{}", "h", "p");
    }
    db.close();
    withCopy(data, { versions: 100, resign: RESIGN }, (copy, from) => {
      const ids = (database: DatabaseSync) => {
        const statement = database.prepare("SELECT id FROM events ORDER BY id");
        statement.setReadBigInts(true);
        return statement.all();
      };
      equal(ids(copy), ids(from));
      throws(() => faultsOf(copy, NEW_KEY), /too large/);
    });
  }));

Deno.test("Reader.snapshot() copies what is in the log, as a file that needs none", () =>
  withTempData(async (data) => {
    const writer = testWriter(data);
    writer.apply([putJob(PIECE, "1"), appendJob(PIECE, "2"), noteJob(PIECE)]);
    const reader = new Reader(museumSetup(data));
    const bytes = bytesOf(await reader.snapshot(PIECE, `${data}/copy.db`, NEW_KEY));
    equal([...bytes.subarray(18, 20)], [1, 1]);
    const db = opened(bytes);
    equal(faultsOf(db, NEW_KEY), []);
    equal(db.prepare("SELECT version FROM stage_meta").get()?.version, 2);
    db.close();
    // Writers were never in its way, nor it in theirs.
    writer.apply([appendJob(PIECE, "3")]);
    writer.close();
    equal(reader.read(PIECE)?.version, 3);
  }));

Deno.test("Reader.snapshot() puts a long world into a file of this user's alone", () =>
  withTempData(async (data) => {
    const writer = testWriter(data, { maxWorldBytes: 1 << 30 });
    writer.apply([putJob(PIECE, new Uint8Array(3_000_000).fill(7)), appendJob(PIECE, "end")]);
    writer.close();
    const path = `${data}/copy.db`;
    const found = await new Reader(museumSetup(data)).snapshot(PIECE, path, NEW_KEY);
    ok(found !== undefined && "path" in found);
    equal(found.path, path);
    equal(found.length, Deno.statSync(path).size);
    if (Deno.build.os !== "windows") equal((Deno.statSync(path).mode ?? 0) & 0o777, 0o600);
    const db = new DatabaseSync(path, { readOnly: true });
    equal(faultsOf(db, NEW_KEY), []);
    db.close();
    equal([...Deno.readDirSync(data)].filter(({ name }) => name.startsWith("copy")).length, 1);
  }));

Deno.test("Reader.snapshot() leaves no file behind that it could not finish", () =>
  withTempData(async (data) => {
    const writer = testWriter(data, { maxWorldBytes: 1 << 30 });
    writer.apply([putJob(PIECE, new Uint8Array(3_000_000).fill(7))]);
    writer.close();
    const db = new DatabaseSync(`${data}/${PIECE_FILE}`);
    db.exec("DELETE FROM stage_meta");
    db.close();
    const reader = new Reader(museumSetup(data));
    const failed = await reader.snapshot(PIECE, `${data}/copy.db`).catch((error) => error.code);
    equal(failed, "damaged");
    equal([...Deno.readDirSync(data)].filter(({ name }) => name.startsWith("copy")), []);
  }));

Deno.test("Reader.snapshot() answers nothing for what is not there, or on its way out", () =>
  withTempData(async (data) => {
    const reader = new Reader(museumSetup(data));
    equal(await reader.snapshot("home/none", `${data}/copy.db`), undefined);
    const writer = testWriter(data);
    writer.apply([putJob(PIECE, "1")]);
    Deno.removeSync(`${data}/.trash`);
    Deno.writeTextFileSync(`${data}/.trash`, "");
    writer.apply([removeJob(PIECE)]);
    writer.close();
    equal(await reader.snapshot(PIECE, `${data}/copy.db`), undefined);
  }));
