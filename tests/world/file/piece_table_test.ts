import { assert, assertEquals, assertMatch } from "../../support/assert.ts";
import { DatabaseSync } from "node:sqlite";
import { copyWorld } from "../../../lib/world/file/copy_world.ts";
import {
  MAX_PIECES,
  MIN_FOLDED_BYTES,
  MIN_PIECED_BYTES,
  PieceTable,
} from "../../../lib/world/file/piece_table.ts";
import { readStage, rowsOf, toBytes } from "../../../lib/world/file/read_stage.ts";
import * as sql from "../../../lib/world/file/sql.ts";
import { verifyWorld } from "../../../lib/world/file/verify_world.ts";
import { createChainSigner } from "../../../lib/world/event_chain.ts";
import { sha256Hex } from "../../../lib/base/hash.ts";
import type { WriteJob } from "../../../lib/world/store/worker_messages.ts";
import { Reader } from "../../../lib/world/worker/reader.ts";
import type { Writer } from "../../../lib/world/worker/writer.ts";
import { createRandom } from "../../support/random.ts";
import { SAMPLE_KEY, sampleSetup } from "../../testdata/sample_world.ts";
import {
  appendJob,
  outcomeOf,
  putJob,
  removeJob,
  testWriter,
  transitionJob,
} from "../../testdata/test_writer.ts";
import { withTempFolder } from "../../support/temp_folder.ts";

const NAME = "home/log";
const HISTORY = { versions: 40, bytes: 8 * 1024 * 1024 };
const SETUP = { history: HISTORY, maxWorldBytes: 4 * 1024 * 1024 };
const encoder = new TextEncoder();

/** A table in memory whose row has this version. */
function withTable(use: (table: PieceTable, db: DatabaseSync) => void): void {
  const db = new DatabaseSync(":memory:");
  try {
    db.exec(sql.CREATE_WORLD);
    const table = new PieceTable({
      all: rowsOf(db),
      run: (statement, ...values) => Number(db.prepare(statement).run(...values).changes),
    });
    use(table, db);
  } finally {
    db.close();
  }
}

Deno.test("PieceTable.fits() takes appends from MIN_PIECED_BYTES of content on", () =>
  withTable((table) => {
    assertEquals(table.fits(MIN_PIECED_BYTES - 1, 1), false);
    assertEquals(table.fits(MIN_PIECED_BYTES, 1), true);
  }));

Deno.test("PieceTable.fits() refuses pieces that would be longer than half of the row", () =>
  withTable((table) => {
    assertEquals(table.fits(MIN_PIECED_BYTES, MIN_FOLDED_BYTES), true);
    assertEquals(table.fits(MIN_PIECED_BYTES, MIN_FOLDED_BYTES + 1), false);
    assertEquals(table.fits(1_000_000, 500_000), true);
    assertEquals(table.fits(1_000_000, 500_001), false);
    table.add(new Uint8Array(400_000), 1, { version: 2, updatedAt: "", state: "" });
    assertEquals(table.fits(1_400_000, 100_000), true);
    assertEquals(table.fits(1_400_000, 100_001), false);
  }));

Deno.test("PieceTable.fits() refuses more than MAX_PIECES", () =>
  withTable((table, db) => {
    db.exec("BEGIN");
    for (let i = 0; i < MAX_PIECES; i++) {
      assertEquals(table.fits(MIN_PIECED_BYTES + i, 1), true);
      table.add(Uint8Array.of(65), 1, { version: i + 2, updatedAt: "", state: "" });
    }
    assertEquals(table.fits(MIN_PIECED_BYTES + MAX_PIECES, 1), false);
  }));

Deno.test("PieceTable.drop() leaves no table, so that earlier releases can read the file", () =>
  withTable((table, db) => {
    assertEquals(table.isEmpty, true);
    table.add(encoder.encode("a"), 1, { version: 2, updatedAt: "t2", state: "" });
    table.add(encoder.encode("b"), 2, { version: 5, updatedAt: "t5", state: "" });
    assertEquals(new TextDecoder().decode(table.join(encoder.encode("_"))), "_ab");
    assertEquals(table.load({ version: 1, len: 1 }), {
      version: 5,
      updated_at: "t5",
      state: "",
      len: 3,
    });
    table.drop();
    assertEquals([table.isEmpty, db.prepare(sql.HAS_PIECES).get()], [true, undefined]);
    assertEquals(new TextDecoder().decode(table.join(encoder.encode("_"))), "_");
  }));

/** What a world must have, and its file in a data folder that is in use. */
class Model {
  /** Content by version. */
  readonly bodies = new Map<number, Uint8Array<ArrayBuffer>>();
  version = 0;
  state = "";
  exists = false;

  get body(): Uint8Array<ArrayBuffer> {
    return this.bodies.get(this.version) ?? new Uint8Array();
  }

  set(version: number, body: Uint8Array<ArrayBuffer>, state: string): void {
    // A deleted world has no earlier versions under its name.
    if (!this.exists) this.bodies.clear();
    this.bodies.set(version, body);
    Object.assign(this, { version, state, exists: true });
  }
}

/** Checks a world by every way in which it is read. */
async function check(data: string, model: Model, shown: string, random: () => number) {
  const reader = new Reader({ ...sampleSetup(data), history: HISTORY });
  const found = reader.read(NAME);
  assertEquals(found !== undefined, model.exists, shown);
  if (found === undefined) return;
  assertEquals([found.version, found.state], [model.version, model.state], shown);
  assertEquals(found.sha256, sha256Hex(model.body), shown);
  assertEquals(sha256Hex(found.body), found.sha256, shown);
  const row = reader.stat(NAME);
  assertEquals([row?.version, row?.len], [model.version, model.body.length], shown);
  assertEquals((await reader.audit(NAME))?.ok, true, shown);
  const kept = [...model.bodies.keys()].slice(-HISTORY.versions);
  const some = kept.filter(() => random() < 3 / kept.length);
  for (const version of some) {
    const { sha256 } = reader.readAt(NAME, version);
    assertEquals(sha256, sha256Hex(model.bodies.get(version) ?? ""), `${shown}, ${version}`);
  }
  const db = new DatabaseSync(`${data}/home%2Flog/universe.db`);
  const copy = new DatabaseSync(":memory:");
  try {
    db.exec("PRAGMA query_only = 1");
    assertEquals(verifyWorld(db, NAME, createChainSigner(SAMPLE_KEY)).faults, [], shown);
    copyWorld(db, copy, { versions: HISTORY.versions });
    assertEquals(copy.prepare(sql.HAS_PIECES).get(), undefined, shown);
    const copied = readStage(rowsOf(copy));
    assertEquals(copied?.version, model.version, shown);
    assertEquals(sha256Hex(toBytes(copied?.stage_html)), found.sha256, shown);
    assertEquals(verifyWorld(copy, NAME, createChainSigner(SAMPLE_KEY)).faults, [], shown);
    // For a reader with sqlite3 the row alone is a version that the world had.
    const stage = db.prepare(sql.SELECT_STAGE).get() ?? {};
    assertEquals(
      sha256Hex(toBytes(stage.stage_html)),
      sha256Hex(model.bodies.get(Number(stage.version)) ?? ""),
      `${shown}, row of version ${stage.version}`,
    );
  } finally {
    db.close();
    copy.close();
  }
}

function randomBytes(random: () => number): Uint8Array<ArrayBuffer> {
  const kind = random();
  const length = kind < 0.5 ? 200 : kind < 0.8 ? 9_000 : kind < 0.97 ? 60_000 : 300_000;
  const bytes = new Uint8Array(Math.floor(random() * length));
  const first = Math.floor(random() * 95);
  for (let i = 0; i < bytes.length; i++) bytes[i] = 32 + (first + i * 7) % 95;
  return bytes;
}

function concat(one: Uint8Array, other: Uint8Array): Uint8Array<ArrayBuffer> {
  const joined = new Uint8Array(one.length + other.length);
  joined.set(one);
  joined.set(other, one.length);
  return joined;
}

/** Copies a data folder as it is now, which is what a killed server leaves. */
function copyFolder(from: string, to: string): void {
  Deno.mkdirSync(to);
  for (const { name, isDirectory } of Deno.readDirSync(from)) {
    if (isDirectory) copyFolder(`${from}/${name}`, `${to}/${name}`);
    else if (!name.endsWith("-shm")) Deno.copyFileSync(`${from}/${name}`, `${to}/${name}`);
  }
}

/** Random changes of one world, compared with a model after each. */
async function runRandomChanges(folder: string, seed: number, steps: number): Promise<string[]> {
  const random = createRandom(seed);
  const model = new Model();
  let data = `${folder}/data`;
  Deno.mkdirSync(data);
  let clock = 0;
  let writer = testWriter(data, SETUP, () => clock);
  const seen: string[] = [];
  let trash = "";
  let isOpened = false;
  const apply = (...jobs: WriteJob[]) => {
    const job = jobs.at(-1);
    assert(job !== undefined);
    isOpened = true;
    const outcome = outcomeOf(writer.apply(jobs), job);
    return typeof outcome === "string" ? undefined : outcome;
  };
  const write = (job: WriteJob, body: Uint8Array<ArrayBuffer>, state = model.state) => {
    const result = apply(job);
    assert(result !== undefined, `seed ${seed}: ${job.kind} failed`);
    model.set(result.version, body, state);
  };
  try {
    for (let step = 0; step < steps; step++) {
      const kind = random();
      let what: string;
      if (!model.exists && trash !== "" && kind < 0.5) {
        what = "restore";
        write(
          {
            id: 900_000 + step,
            kind: "restore",
            name: NAME,
            by: "T3",
            from: NAME,
            trash,
            floor: 0,
            ext: "txt",
            state: "",
          },
          model.body,
          "",
        );
        trash = "";
      } else if (!model.exists || kind < 0.05) {
        what = "put";
        const body = randomBytes(random);
        write(putJob(NAME, body), body, "");
      } else if (kind < 0.6) {
        what = "append";
        const [body, more] = [randomBytes(random), randomBytes(random)];
        const isTwice = kind < 0.2;
        // Two appends in one transaction.
        const first = appendJob(NAME, body);
        const jobs = isTwice ? [first, appendJob(NAME, more)] : [first];
        const replies = writer.apply(jobs);
        isOpened = true;
        for (const [i, job] of jobs.entries()) {
          const outcome = outcomeOf(replies, job);
          assert(typeof outcome !== "string", `seed ${seed}: append failed: ${outcome}`);
          model.set(outcome.version, concat(model.body, i === 0 ? body : more), "");
        }
      } else if (kind < 0.66) {
        what = "patch";
        const length = model.body.length;
        const text = new TextDecoder().decode(model.body.subarray(0, 5));
        if (length > 5 && !/[\n\\"]/.test(text)) {
          write(
            putJob(NAME, concat(encoder.encode("+"), model.body)),
            concat(encoder.encode("+"), model.body),
            "",
          );
        }
      } else if (kind < 0.71) {
        what = "transition";
        const to = random() < 0.5 ? "one" : "two";
        assert(apply(transitionJob(NAME, to)) !== undefined);
        model.state = to;
      } else if (kind < 0.76) {
        what = "rollback";
        const never = putJob(NAME, "never", { eventFields: { impossible: 1n } });
        assertEquals(apply(appendJob(NAME, randomBytes(random)), never), undefined);
      } else if (kind < 0.82) {
        what = "close";
        writer.close();
        const db = new DatabaseSync(`${data}/home%2Flog/universe.db`);
        // A writer that has not opened the world since the kill does not fold it.
        const table = db.prepare(sql.HAS_PIECES).get();
        if (isOpened) assertEquals(table, undefined, `seed ${seed}, step ${step}`);
        db.close();
        isOpened = false;
        writer = testWriter(data, SETUP, () => clock);
      } else if (kind < 0.88) {
        what = "kill";
        const killed = `${folder}/data${step}`;
        copyFolder(data, killed);
        writer.close();
        Deno.removeSync(data, { recursive: true });
        data = killed;
        isOpened = false;
        writer = testWriter(data, SETUP, () => clock);
      } else if (kind < 0.91) {
        what = "move";
        for (const [from, name] of [[NAME, "home/other"], ["home/other", NAME]] as const) {
          const released = apply({ id: 700_000 + step, kind: "release", name: from, by: "T3" });
          assert(released !== undefined);
          const more = { replace: false, contentOnly: false, state: "" };
          const adopt = { id: 800_000 + step, kind: "adopt", name, by: "T3", from } as const;
          const { body, state } = model;
          write({ ...adopt, source: released, ext: "txt", ...more }, body, state);
        }
      } else if (kind < 0.95) {
        what = "fold";
        clock += 10_000;
        writer.foldOne();
        assertEquals(writer.unfolded, 0);
      } else {
        what = "remove";
        const result = apply(removeJob(NAME));
        assert(result?.trash !== undefined);
        trash = result.trash;
        model.exists = false;
      }
      seen.push(what);
      if (model.body.length > 1_500_000) write(putJob(NAME, "short"), encoder.encode("short"), "");
      await check(data, model, `seed ${seed}, step ${step} ${what}`, random);
    }
  } catch (error) {
    // A second close would hide the fault.
    throw new Error(`seed ${seed}, after ${seen.slice(-4)}: ${error}`, { cause: error });
  }
  writer.close();
  return seen;
}

Deno.test("a world has the same content by every read after random changes, folds, restarts and kills", () =>
  withTempFolder(async (folder) => {
    const seed = crypto.getRandomValues(new Uint32Array(1))[0] ?? 1;
    const seen = await runRandomChanges(folder, seed, 150);
    assert(new Set(seen).size >= 8, `seed ${seed}: ${[...new Set(seen)]}`);
  }));

/** Appends until a world has pieces, and returns its content. */
function appendPieces(writer: Writer): Uint8Array<ArrayBuffer> {
  const start = new Uint8Array(50_000).fill(65);
  for (const job of [putJob(NAME, start), appendJob(NAME, "one"), appendJob(NAME, "two")]) {
    assert(typeof outcomeOf(writer.apply([job]), job) !== "string");
  }
  return concat(start, encoder.encode("onetwo"));
}

/** A copy of a data folder with pieces, as a killed server leaves it. */
function killedCopy(data: string): string {
  const writer = testWriter(data, SETUP);
  appendPieces(writer);
  const killed = `${data}/killed`;
  copyFolder(data, `${data}-copy`);
  writer.close();
  Deno.renameSync(`${data}-copy`, killed);
  return killed;
}

Deno.test("a world whose pieces were deleted by a person is its row, and takes further pieces", () =>
  withTempFolder((data) => {
    const killed = killedCopy(data);
    const db = new DatabaseSync(`${killed}/home%2Flog/universe.db`);
    db.exec("DELETE FROM pieces");
    db.close();
    const reopened = testWriter(killed, SETUP);
    const job = appendJob(NAME, "three");
    const outcome = outcomeOf(reopened.apply([job]), job);
    assert(typeof outcome !== "string", String(outcome));
    assertEquals(outcome.len, 50_005);
    assertEquals(new Reader(sampleSetup(killed)).read(NAME)?.body.length, 50_005);
    reopened.close();
  }));

Deno.test("a world whose row was changed while it had pieces is damaged, and its pieces are not joined", () =>
  withTempFolder((data) => {
    const killed = killedCopy(data);
    // As a release that knows no pieces does.
    const db = new DatabaseSync(`${killed}/home%2Flog/universe.db`);
    db.exec("UPDATE stage_meta SET stage_html = CAST('other' AS BLOB), version = version + 1");
    const { faults } = verifyWorld(db, NAME, createChainSigner(SAMPLE_KEY));
    db.close();
    assertEquals(faults.map(({ check }) => check), ["unreadable"]);
    assertMatch(faults[0]?.reason ?? "", /its pieces continue version 1 and its row has version 2/);
    const reader = new Reader(sampleSetup(killed));
    let code = "";
    try {
      reader.read(NAME);
    } catch (error) {
      code = String(error);
    }
    assertMatch(code, /its pieces continue/);
    const next = testWriter(killed, SETUP);
    for (const job of [putJob(NAME, "x"), appendJob(NAME, "x")]) {
      assertEquals(outcomeOf(next.apply([job]), job), "damaged");
    }
    next.close();
  }));

Deno.test("an append to a long world writes its own length to the disk, not that of the world", () =>
  withTempFolder((data) => {
    const writer = testWriter(data, SETUP);
    const log = `${data}/home%2Flog/universe.db-wal`;
    // Opens the world, and the first append creates the table.
    for (const job of [putJob(NAME, new Uint8Array(2_000_000)), appendJob(NAME, "first")]) {
      assert(typeof outcomeOf(writer.apply([job]), job) !== "string");
    }
    const before = Deno.statSync(log).size;
    for (let i = 0; i < 10; i++) {
      const job = appendJob(NAME, "x".repeat(1024));
      assert(typeof outcomeOf(writer.apply([job]), job) !== "string");
    }
    const grown = Deno.statSync(log).size - before;
    assert(grown > 10 * 1024 && grown < 10 * 32_768, `${grown} bytes for ten appends`);
    writer.close();
  }));
