import { assert, assertEquals, assertMatch } from "../../support/assert.ts";
import { DatabaseSync } from "node:sqlite";
import { sha256Hex } from "../../../lib/base/hash.ts";
import { pathExists } from "../../../lib/world/file/durable_fs.ts";
import { NameLedger } from "../../../lib/world/file/name_ledger.ts";
import { createChainSigner } from "../../../lib/world/event_chain.ts";
import type { LowerWorld } from "../../../lib/world/change/write_job.ts";
import { Reader } from "../../../lib/world/worker/reader.ts";
import { verifyWorld } from "../../../lib/world/file/verify_world.ts";
import { SAMPLE_KEY, sampleSetup } from "../../testdata/sample_world.ts";
import {
  appendJob,
  noteJob,
  outcomeOf,
  putJob,
  removeJob,
  removeWithoutMove,
  testWriter,
  transitionJob,
  trashIds,
  versionsOf,
} from "../../testdata/test_writer.ts";
import { withTempFolder } from "../../support/temp_folder.ts";
import { createRandom } from "../../support/random.ts";

const NAME = "home/w";
const FOLDER = "home%2Fw";
const decoder = new TextDecoder();

function textOf(data: string, name = NAME): string | undefined {
  const found = new Reader(sampleSetup(data)).read(name);
  return found === undefined ? undefined : decoder.decode(found.body);
}

function faultsAt(path: string, name = NAME): unknown {
  const db = new DatabaseSync(path);
  try {
    return verifyWorld(db, name, createChainSigner(SAMPLE_KEY));
  } finally {
    db.close();
  }
}

function namesIn(folder: string): string[] {
  return [...Deno.readDirSync(folder)].map(({ name }) => name).sort();
}

function lowerWorld(text: string): LowerWorld {
  const body = new TextEncoder().encode(text);
  const updatedAt = "2025-01-01T00:00:00.000Z";
  return { sha256: sha256Hex(body), ext: "md", meta: [], body, updatedAt };
}

/** Counts the commits in a log: frames with the size of the database (SQLite file format §4.1). */
function commitsIn(path: string): number {
  const log = Deno.readFileSync(path);
  const view = new DataView(log.buffer);
  const page = view.getUint32(8);
  const salt = view.getBigUint64(16);
  let commits = 0;
  for (let at = 32; at + 24 + page <= log.length; at += 24 + page) {
    if (view.getBigUint64(at + 8) === salt && view.getUint32(at + 4) > 0) commits += 1;
  }
  return commits;
}

Deno.test("Writer.apply() applies all queued changes of a world in one transaction", () =>
  withTempFolder((data) => {
    const writer = testWriter(data);
    writer.apply([putJob(NAME, "born")]);
    const jobs = Array.from({ length: 50 }, (_, i) => appendJob(NAME, `${i}\n`));
    assertEquals(versionsOf(writer.apply(jobs), jobs), jobs.map((_, i) => i + 2));
    assertEquals(commitsIn(`${data}/${FOLDER}/universe.db-wal`), 1);
    writer.close();
    assertEquals(faultsAt(`${data}/${FOLDER}/universe.db`), {
      faults: [],
      isDeleted: false,
      isNamed: true,
    });
  }));

Deno.test("Writer.apply() returns one reply per job, in the order of a world's changes", () =>
  withTempFolder((data) => {
    const writer = testWriter(data);
    const jobs = [
      putJob(NAME, "1"),
      removeJob(NAME),
      removeJob(NAME),
      appendJob(NAME, "2"),
      putJob(NAME, "3"),
      removeJob(NAME),
      putJob(NAME, "4"),
      appendJob(NAME, "5"),
    ];
    const replies = writer.apply(jobs);
    assertEquals(replies.map(({ id }) => id), jobs.map(({ id }) => id));
    assertEquals(versionsOf(replies, jobs), [1, 1, "absent", 2, 3, 3, 4, 5]);
    writer.close();
    assertEquals(textOf(data), "45");
    assertEquals(trashIds(data).length, 2);
  }));

Deno.test("Writer.apply() reports created only for the first change", () =>
  withTempFolder((data) => {
    const writer = testWriter(data);
    const jobs = [appendJob(NAME, "a"), appendJob(NAME, "b"), putJob(NAME, "c")];
    const replies = writer.apply(jobs);
    const created = jobs.map((job) => {
      const outcome = outcomeOf(replies, job);
      return typeof outcome === "string" ? outcome : outcome.created;
    });
    assertEquals(created, [true, false, false]);
    writer.close();
  }));

Deno.test("Writer.apply() checks a precondition after the earlier jobs of the batch", () =>
  withTempFolder((data) => {
    const writer = testWriter(data);
    const seen = (version: number) => ({ precondition: { match: [{ version }] } });
    const jobs = [
      putJob(NAME, "1", { precondition: { noneMatch: "*" } }),
      putJob(NAME, "never", { precondition: { noneMatch: "*" } }),
      putJob(NAME, "2", seen(1)),
      putJob(NAME, "never", seen(1)),
      appendJob(NAME, "3", seen(2)),
      removeJob(NAME, seen(2)),
      appendJob(NAME, "4", { precondition: { match: [{ version: 3, sha256: sha256Hex("23") }] } }),
      removeJob(NAME, seen(4)),
      putJob(NAME, "never", { precondition: { match: "*" } }),
    ];
    assertEquals(versionsOf(writer.apply(jobs), jobs), [
      1,
      "precondition",
      2,
      "precondition",
      3,
      "precondition",
      4,
      4,
      "precondition",
    ]);
    writer.close();
    assertEquals(textOf(data), undefined);
  }));

Deno.test("Writer.apply() writes nothing if all jobs of a world are refused", () =>
  withTempFolder((data) => {
    const writer = testWriter(data);
    writer.apply([putJob(NAME, "1")]);
    const jobs = [1, 2].map(() => putJob(NAME, "x", { precondition: { noneMatch: "*" } }));
    assertEquals(versionsOf(writer.apply(jobs), jobs), ["precondition", "precondition"]);
    assertEquals(Deno.statSync(`${data}/${FOLDER}/universe.db-wal`).size, 0);
    writer.close();
    assertEquals(textOf(data), "1");
  }));

Deno.test("Writer.apply() refuses note, transition and remove for a missing world", () =>
  withTempFolder((data) => {
    const writer = testWriter(data);
    const jobs = [noteJob(NAME), transitionJob(NAME, "active"), removeJob(NAME)];
    assertEquals(versionsOf(writer.apply(jobs), jobs), ["absent", "absent", "absent"]);
    writer.close();
    assertEquals(pathExists(`${data}/${FOLDER}`), false);
  }));

Deno.test("Writer.apply() appends the event of a note without a new version", () =>
  withTempFolder((data) => {
    const writer = testWriter(data);
    const jobs = [
      putJob(NAME, "1"),
      noteJob(NAME),
      transitionJob(NAME, "active"),
      appendJob(NAME, "2"),
    ];
    assertEquals(versionsOf(writer.apply(jobs), jobs), [1, 1, 1, 2]);
    writer.close();
    const types = new Reader(sampleSetup(data)).log(NAME, 100, 10)?.map(({ type }) => type);
    // The append has the state "", which replaces the present state.
    assertEquals(types?.toReversed(), [
      "stage_written",
      "remark",
      "state_transition",
      "stage_appended",
      "state_transition",
    ]);
  }));

Deno.test("Writer.apply() allows appends up to the maximum size and refuses one more byte", () =>
  withTempFolder((data) => {
    const writer = testWriter(data, { maxWorldBytes: 10 });
    const jobs = [
      appendJob(NAME, "12345"),
      appendJob(NAME, "67890"),
      appendJob(NAME, "x"),
      appendJob(NAME, ""),
      appendJob("home/other", "x".repeat(11)),
      appendJob("home/other", "x".repeat(6), { lower: lowerWorld("lower") }),
    ];
    assertEquals(versionsOf(writer.apply(jobs), jobs), [
      1,
      2,
      "too-large",
      3,
      "too-large",
      "too-large",
    ]);
    writer.close();
    assertEquals(textOf(data), "1234567890");
    assertEquals(pathExists(`${data}/home%2Fother`), false);
  }));

Deno.test("Writer.apply() covers a lower-layer world and records that in the event", () =>
  withTempFolder((data) => {
    const writer = testWriter(data);
    const lower = lowerWorld("lower");
    const jobs = [
      putJob(NAME, "never", { lower, precondition: { noneMatch: "*" } }),
      putJob(NAME, "never", { lower, precondition: { match: [{ version: 1 }] } }),
      putJob(NAME, "upper", {
        lower,
        precondition: { match: [{ version: 0, sha256: lower.sha256 }] },
      }),
      appendJob("home/a", " and more", { lower }),
    ];
    const replies = writer.apply(jobs);
    assertEquals(versionsOf(replies, jobs), ["precondition", "precondition", 1, 1]);
    writer.close();
    assertEquals([textOf(data), textOf(data, "home/a")], ["upper", "lower and more"]);
    const reader = new Reader(sampleSetup(data));
    assertEquals(reader.read("home/a")?.ext, "md");
    for (const name of [NAME, "home/a"]) {
      assertMatch(JSON.stringify(reader.log(name, 9, 1)), /"covers":"lower"/);
    }
  }));

Deno.test("Writer.apply() fails only the jobs of a damaged world", () =>
  withTempFolder((data) => {
    const writer = testWriter(data);
    writer.apply([putJob("home/bad", "1"), putJob("home/good", "1")]);
    writer.close();
    Deno.writeTextFileSync(`${data}/home%2Fbad/universe.db`, "x".repeat(8192));
    const second = testWriter(data);
    const jobs = [
      putJob("home/bad", "2"),
      putJob("home/good", "2"),
      appendJob("home/bad", "3"),
      removeJob("home/bad"),
      putJob("home/new", "1"),
    ];
    assertEquals(versionsOf(second.apply(jobs), jobs), ["damaged", 2, "damaged", "damaged", 1]);
    second.close();
    assertEquals(Deno.statSync(`${data}/home%2Fbad/universe.db`).size, 8192);
  }));

Deno.test("Writer.apply() rolls back the transaction if one change fails", () =>
  withTempFolder((data) => {
    const writer = testWriter(data);
    writer.apply([putJob(NAME, "1")]);
    const jobs = [appendJob(NAME, "2"), putJob(NAME, "3", { eventFields: { impossible: 1n } })];
    assertEquals(versionsOf(writer.apply(jobs), jobs), ["damaged", "damaged"]);
    const more = [appendJob(NAME, "4")];
    assertEquals(versionsOf(writer.apply(more), more), [2]);
    writer.close();
    assertEquals(textOf(data), "14");
    assertEquals(faultsAt(`${data}/${FOLDER}/universe.db`), {
      faults: [],
      isDeleted: false,
      isNamed: true,
    });
  }));

Deno.test("Writer.apply() moves a removed world to the trash, from where it can be restored", () =>
  withTempFolder((data) => {
    const writer = testWriter(data);
    const jobs = [putJob(NAME, "1"), appendJob(NAME, "2"), removeJob(NAME)];
    assertEquals(versionsOf(writer.apply(jobs), jobs), [1, 2, 2]);
    writer.close();
    assertEquals(pathExists(`${data}/${FOLDER}`), false);
    const [serial] = trashIds(data);
    const trashed = `${data}/.trash/${serial}/${FOLDER}`;
    assertEquals(namesIn(trashed), ["universe.db"]);
    assertEquals(faultsAt(`${trashed}/universe.db`), {
      faults: [],
      isDeleted: false,
      isNamed: true,
    });
    Deno.renameSync(trashed, `${data}/${FOLDER}`);
    assertEquals(textOf(data), "12");
    const last = new Reader(sampleSetup(data)).log(NAME, 100, 1)?.[0];
    assertEquals([last?.type, last?.payload], [
      "world_deleted",
      { version: 2, body_sha256: sha256Hex("12"), trash: serial, by: "T3" },
    ]);
  }));

Deno.test("Writer.apply() completes a removal after a crash between commit and move", () =>
  withTempFolder((data) => {
    const writer = testWriter(data);
    writer.apply([putJob(NAME, "old")]);
    writer.close();
    removeWithoutMove(data, NAME);
    assert(pathExists(`${data}/${FOLDER}/universe.db`));
    assertEquals(textOf(data), undefined);

    const second = testWriter(data);
    const again = [removeJob(NAME), noteJob(NAME), putJob(NAME, "new"), appendJob(NAME, "er")];
    assertEquals(versionsOf(second.apply(again), again), ["absent", "absent", 2, 3]);
    second.close();
    assertEquals(textOf(data), "newer");
    const [serial] = trashIds(data);
    assertEquals(faultsAt(`${data}/.trash/${serial}/${FOLDER}/universe.db`), {
      faults: [],
      isDeleted: false,
      isNamed: true,
    });
  }));

Deno.test("Writer.apply() completes a removal whose trash entry was created before a crash", () =>
  withTempFolder((data) => {
    const writer = testWriter(data);
    writer.apply([putJob(NAME, "old")]);
    writer.close();
    const ledger = new NameLedger(data);
    ledger.recordEnd(NAME, { version: 1, updatedAt: "", trash: "interrupted" });
    ledger.close();
    removeWithoutMove(data, NAME);
    Deno.mkdirSync(`${data}/.trash/interrupted`);
    const second = testWriter(data);
    const jobs = [putJob(NAME, "new")];
    assertEquals(versionsOf(second.apply(jobs), jobs), [2]);
    second.close();
    assert(pathExists(`${data}/.trash/interrupted/${FOLDER}/universe.db`));
  }));

Deno.test("Writer.apply() keeps at most the allowed number of open files and records closed ones", () =>
  withTempFolder((data) => {
    const writer = testWriter(data, { handles: 2 });
    const names = ["a", "b", "c", "d"].map((name) => `home/${name}`);
    writer.apply(names.map((name) => putJob(name, "1")));
    writer.apply(names.map((name) => putJob(name, "2")));
    const open = names.filter((name) =>
      pathExists(`${data}/${name.replace("/", "%2F")}/universe.db-wal`)
    );
    assertEquals(open, ["home/c", "home/d"]);
    const settled = writer.takeClosed();
    assertEquals(settled.map(({ name }) => name), ["home/a", "home/b"]);
    for (const { name, mtime, size } of settled) {
      const found = Deno.statSync(`${data}/${name.replace("/", "%2F")}/universe.db`);
      assertEquals([mtime, size], [found.mtime?.getTime(), found.size]);
    }
    assertEquals(writer.takeClosed(), []);
    // The most recently used file stays open.
    writer.apply([putJob("home/c", "3"), putJob("home/a", "3")]);
    assertEquals(writer.takeClosed().map(({ name }) => name), ["home/d"]);
    writer.close();
  }));

Deno.test("Writer.checkpointOne() checkpoints one world with a large log per call", () =>
  withTempFolder((data) => {
    const writer = testWriter(data, { history: { versions: 0, bytes: 0 } });
    const names = ["home/a", "home/b"];
    writer.apply(names.map((name) => putJob(name, "1")));
    const body = new Uint8Array(2_200_000).fill(120);
    writer.apply(names.map((name) => putJob(name, body)));
    const sizes = () =>
      names.map((name) =>
        Deno.statSync(`${data}/${name.replace("/", "%2F")}/universe.db`).size > body.length
      );
    assertEquals(sizes(), [false, false]);
    assertEquals(writer.checkpointOne(), true);
    assertEquals(sizes().filter((folded) => folded).length, 1);
    assertEquals(writer.checkpointOne(), false);
    assertEquals(sizes(), [true, true]);
    assertEquals(writer.checkpointOne(), false);
    writer.close();
  }));

Deno.test("Writer.close() leaves no log and records the stamp of each file", () =>
  withTempFolder((data) => {
    const writer = testWriter(data);
    writer.apply([putJob(NAME, "1")]);
    writer.apply([appendJob(NAME, "2")]);
    writer.close();
    assertEquals(namesIn(`${data}/${FOLDER}`), ["universe.db"]);
    const [settled] = writer.takeClosed();
    const { mtime, size } = Deno.statSync(`${data}/${FOLDER}/universe.db`);
    assertEquals(settled, { name: NAME, mtime: mtime?.getTime(), size });
  }));

Deno.test("Writer.apply() refuses a world whose folder cannot be created and creates the others", () =>
  withTempFolder((data) => {
    const writer = testWriter(data);
    Deno.writeTextFileSync(`${data}/home%2Ffile`, "no folder");
    const jobs = [putJob("home/file", "1"), putJob("home/other", "1")];
    const [first, second] = versionsOf(writer.apply(jobs), jobs);
    assertEquals([first, second], ["damaged", 1]);
    writer.close();
    assertEquals(namesIn(`${data}/.incoming`), []);
  }));

Deno.test("Writer.apply() writes what it replies, for random batches", () =>
  withTempFolder((data) => {
    const seed = crypto.getRandomValues(new Uint32Array(1))[0] ?? 1;
    const next = createRandom(seed);
    const random = (below: number) => Math.floor(next() * below);
    const expected = new Map<string, { version: number; text: string }>();
    const highest = new Map<string, number>();
    const writer = testWriter(data, { handles: 2, history: { versions: 3, bytes: 64 } });
    for (let batch = 0; batch < 60; batch++) {
      const jobs = Array.from({ length: 1 + random(12) }, () => {
        const name = `home/r${random(4)}`;
        const text = `${random(1000)};`.repeat(random(4));
        const kind = random(10);
        if (kind < 2) return removeJob(name);
        if (kind < 3) return noteJob(name);
        return kind < 6 ? putJob(name, text) : appendJob(name, text);
      });
      const replies = writer.apply(jobs);
      for (const job of jobs) {
        const known = expected.get(job.name);
        const outcome = outcomeOf(replies, job);
        const shown = `seed ${seed}, ${job.kind} ${job.name}`;
        const needs = job.kind === "remove" || job.kind === "note";
        if (known === undefined && needs) {
          assertEquals(outcome, "absent", shown);
          continue;
        }
        if (typeof outcome === "string") throw new Error(`${shown}: ${outcome}`);
        if (job.kind === "remove") expected.delete(job.name);
        if (job.kind !== "put" && job.kind !== "append") continue;
        const before = job.kind === "put" ? "" : known?.text ?? "";
        const text = before + decoder.decode(job.body);
        const version = (highest.get(job.name) ?? 0) + 1;
        highest.set(job.name, version);
        expected.set(job.name, { version, text });
        assertEquals(
          [outcome.version, outcome.sha256],
          [version, sha256Hex(text)],
          shown,
        );
      }
    }
    writer.close();
    for (const name of ["home/r0", "home/r1", "home/r2", "home/r3"]) {
      const found = new Reader(sampleSetup(data)).read(name);
      const text = found === undefined ? undefined : decoder.decode(found.body);
      assertEquals(
        [found?.version, text],
        [expected.get(name)?.version, expected.get(name)?.text],
        `seed ${seed}`,
      );
      if (found === undefined) continue;
      assertEquals(faultsAt(`${data}/${name.replace("/", "%2F")}/universe.db`, name), {
        faults: [],
        isDeleted: false,
        isNamed: true,
      });
    }
  }));
