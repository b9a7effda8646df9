import { assert, assertEquals, assertRejects } from "../../support/assert.ts";
import { TRASH_FACTS_PER_STEP, TRASH_WORLDS_PER_STEP } from "../../../lib/limits.ts";
import { TrashKeeper } from "../../../lib/world/store/trash_keeper.ts";
import type { WorkerClient } from "../../../lib/world/store/worker_client.ts";
import type { TrashRecord } from "../../../lib/world/trash.ts";
import { withTempFolder } from "../../support/temp_folder.ts";
import { TrashBin } from "../../../lib/world/worker/trash_bin.ts";

const DAY = 86_400_000;
const START = Date.parse("2026-11-28T10:00:00Z");

interface Fixture {
  readonly bin: TrashBin;
  readonly jobs: string[];
  readonly data: string;
  readonly keeper: (keepDays?: number) => TrashKeeper;
  clock: number;
}

/** A Worker in this thread. */
function withTrash(use: (fixture: Fixture) => Promise<void>): Promise<void> {
  return withTempFolder(async (data) => {
    for (const folder of [".trash", ".incoming"]) Deno.mkdirSync(`${data}/${folder}`);
    const bin = new TrashBin(data);
    const jobs: string[] = [];
    const run = (job: { kind: string; [field: string]: unknown }): Promise<unknown> => {
      jobs.push(job.kind);
      switch (job.kind) {
        case "trashUnknown":
          return Promise.resolve(bin.unknown(String(job.now)));
        case "trashFacts":
          return Promise.resolve(bin.facts(job.ids as string[]));
        case "trashAdd":
          return Promise.resolve(bin.add(job.records as TrashRecord[]));
        case "trashExpired":
          return Promise.resolve(bin.expired(String(job.before), Number(job.limit)));
        case "expunge":
          return Promise.resolve(bin.expunge(String(job.trash)));
        default:
          throw new Error(job.kind);
      }
    };
    const keepers: TrashKeeper[] = [];
    const fixture: Fixture = {
      bin,
      jobs,
      data,
      clock: START,
      keeper(keepDays) {
        const keeper = new TrashKeeper({
          worker: { run } as unknown as Pick<WorkerClient, "run">, // only the jobs above
          isRestricted: (name) => name.startsWith("boot/"),
          ...(keepDays === undefined ? {} : { keepMs: keepDays * DAY }),
          now: () => fixture.clock,
          monotonic: () => 0,
          track: (promise) => promise,
          log: (line) => assertEquals(line, ""),
        });
        keepers.push(keeper);
        return keeper;
      },
    };
    try {
      await use(fixture);
    } finally {
      for (const keeper of keepers) keeper.stop();
      bin.close();
    }
  });
}

/** Adds a deleted world with its row. */
function add({ bin, data }: Fixture, id: string, name: string, daysAgo: number): void {
  const folder = `${data}/.trash/${id}/${encodeURIComponent(name)}`;
  Deno.mkdirSync(folder, { recursive: true });
  Deno.writeTextFileSync(`${folder}/universe.db`, "x");
  const deletedAt = new Date(START - daysAgo * DAY).toISOString();
  const [version, by, ext, bytes] = [1, "T3", "txt", 4096];
  bin.add([{ id, name, version, deletedAt, by, ext, bytes, restricted: false }]);
}

/** Runs the background work until it pauses for the next look. */
async function runOnce(keeper: TrashKeeper, isDone: () => boolean): Promise<void> {
  const running = keeper.run(Promise.resolve());
  while (!isDone()) await new Promise((resume) => setTimeout(resume, 1));
  keeper.stop();
  await running;
}

Deno.test("TrashKeeper deletes worlds for good whose time is over, in steps, and counts them", () =>
  withTrash(async (fixture) => {
    const old = TRASH_WORLDS_PER_STEP + 1;
    for (let i = 0; i < old; i++) add(fixture, `old${i}`, `home/${i}`, 31);
    add(fixture, "young", "home/young", 29);
    // An id with several worlds is kept until the last one's time is over.
    add(fixture, "both", "home/a", 40);
    add(fixture, "both", "home/b", 1);
    const keeper = fixture.keeper(30);
    await runOnce(keeper, () => keeper.counter.counts.expired === old);
    const left = [...Deno.readDirSync(`${fixture.data}/.trash`)].map(({ name }) => name).sort();
    assertEquals(left, ["both", "young"]);
    assertEquals(keeper.counter.counts, { entries: 3, bytes: 3 * 4096, expired: old });
    assertEquals([...Deno.readDirSync(`${fixture.data}/.incoming`)], []);
    assertEquals(fixture.jobs.filter((kind) => kind === "trashExpired").length >= 2, true);
  }));

Deno.test("TrashKeeper deletes nothing with ELASTIK_TRASH=never, and nothing after a step of the clock", () =>
  withTrash(async (fixture) => {
    add(fixture, "old", "home/x", 1000);
    const forever = fixture.keeper();
    await runOnce(forever, () => forever.counter.counts.entries === 1);
    add(fixture, "new", "home/y", 1);
    const keeper = fixture.keeper(2000);
    fixture.clock = START + 5000 * DAY;
    await runOnce(keeper, () => fixture.jobs.includes("trashExpired"));
    assertEquals(fixture.jobs.includes("expunge"), false);
  }));

Deno.test("TrashKeeper deletes nothing with the longest ELASTIK_TRASH, and reports no error", () =>
  withTrash(async (fixture) => {
    add(fixture, "old", "home/x", 1000);
    const keeper = fixture.keeper(999_999_999);
    await runOnce(keeper, () => fixture.jobs.includes("trashExpired"));
    assertEquals(fixture.jobs.includes("expunge"), false);
  }));

Deno.test("TrashKeeper adds the facts of folders without a row once, in steps", () =>
  withTrash(async (fixture) => {
    const { data, bin, jobs } = fixture;
    for (let i = 0; i < TRASH_FACTS_PER_STEP + 1; i++) {
      const folder = `${data}/.trash/id${i}/home%2F${i}`;
      Deno.mkdirSync(folder, { recursive: true });
      Deno.writeTextFileSync(`${folder}/universe.db`, "not a database");
    }
    Deno.mkdirSync(`${data}/.trash/leftover-1/home%2Fx`, { recursive: true });
    const keeper = fixture.keeper();
    const known = () => keeper.counter.counts.entries === TRASH_FACTS_PER_STEP + 1;
    await runOnce(keeper, known);
    assertEquals(jobs.filter((kind) => kind === "trashFacts").length, 2);
    const within = [{ name: "", part: "tree", restricted: false }] as const;
    const page = bin.page({ within, limit: 1000 });
    // The folder without a world is not listed.
    assertEquals(page.entries.length, TRASH_FACTS_PER_STEP + 1);
    assertEquals([page.entries[0]?.version, page.entries[0]?.by], [0, ""]);
    jobs.length = 0;
    const again = fixture.keeper();
    await runOnce(again, () => again.counter.counts.entries > 0);
    assertEquals(jobs.includes("trashFacts"), false);
  }));

Deno.test("TrashKeeper measures the trash again if it changed at the same time", () =>
  withTrash(async (fixture) => {
    const keeper = fixture.keeper();
    let end = () => {};
    const isRunning = new Promise<void>((resolve) => end = resolve);
    const change = keeper.counter.change(async () => {
      await isRunning;
      // The store had it before it was counted, and before the first measurement.
      keeper.counter.recordAdded({ id: "1", name: "home/a", by: "T2", bytes: 1 });
    });
    add(fixture, "1", "home/a", 0);
    const running = keeper.run(Promise.resolve());
    while (keeper.counter.counts.entries === 0) await new Promise((next) => setTimeout(next, 1));
    end();
    await change;
    assertEquals(keeper.counter.counts.entries, 2);
    while (keeper.counter.counts.entries === 2) await new Promise((next) => setTimeout(next, 1));
    assertEquals(keeper.counter.counts.entries, 1);
    keeper.stop();
    await running;
  }));

Deno.test("TrashKeeper fails a page that waits while the store closes", () =>
  withTrash(async (fixture) => {
    const keeper = fixture.keeper();
    const page = keeper.page({ within: [], limit: 1 });
    keeper.stop();
    await assertRejects(page, { name: "StoreError", code: "closed" });
    assert(!fixture.jobs.includes("trashPage"));
  }));
