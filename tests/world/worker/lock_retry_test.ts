import { DatabaseSync } from "node:sqlite";
import { assertEquals } from "../../support/assert.ts";
import { LockedWorlds } from "../../../lib/world/worker/lock_retry.ts";
import type { Reply, WriteJob } from "../../../lib/world/store/worker_messages.ts";
import { appendJob, putJob, testWriter } from "../../testdata/test_writer.ts";
import { withTempFolder } from "../../support/temp_folder.ts";

const TIMEOUT_MS = 1_000;

/** A writer whose worlds with these names are locked; it records the names it was asked for. */
class TestRunner {
  readonly locked = new Set<string>();
  readonly asked: string[] = [];

  apply(jobs: readonly WriteJob[]): Reply[] {
    return jobs.map(({ id, name }) => {
      this.asked.push(`${id} ${name}`);
      return this.locked.has(name)
        ? { id, error: { code: "in-use", message: "locked" } }
        : { id, value: undefined };
    });
  }
}

function idsOf(replies: readonly Reply[]): string[] {
  return replies.map((reply) =>
    "error" in reply ? `${reply.id} ${reply.error.code}` : `${reply.id}`
  );
}

function job(id: number, name: string): WriteJob {
  return { ...putJob(name, ""), id };
}

Deno.test("LockedWorlds.apply() answers the jobs of other worlds and keeps the order of a locked one", () => {
  const runner = new TestRunner();
  runner.locked.add("home/a");
  const worlds = new LockedWorlds(runner, TIMEOUT_MS);
  assertEquals(idsOf(worlds.apply([job(1, "home/a"), job(2, "home/b")], 0)), ["2"]);
  runner.locked.clear();
  // The world is free now, but job 1 has not run.
  assertEquals(idsOf(worlds.apply([job(3, "home/a"), job(4, "home/b")], 1)), ["4"]);
  assertEquals([worlds.dueAt, idsOf(worlds.retry(1))], [2, []]);
  assertEquals(idsOf(worlds.retry(2)), ["1", "3"]);
  assertEquals(worlds.dueAt, undefined);
  assertEquals(idsOf(worlds.apply([job(5, "home/a")], 3)), ["5"]);
});

Deno.test("LockedWorlds.retry() fails a job after its own deadline and not before", () => {
  const runner = new TestRunner();
  runner.locked.add("home/a");
  const worlds = new LockedWorlds(runner, TIMEOUT_MS);
  worlds.apply([job(1, "home/a")], 0);
  worlds.apply([job(2, "home/a")], 500);
  assertEquals(idsOf(worlds.retry(999)), []);
  assertEquals(idsOf(worlds.retry(1_200)), ["1 in-use"]);
  assertEquals(idsOf(worlds.retry(1_500)), ["2 in-use"]);
  assertEquals(worlds.dueAt, undefined);
});

Deno.test("LockedWorlds with a real writer applies all changes in order after the lock is released", () =>
  withTempFolder((data) => {
    const writer = testWriter(data);
    const worlds = new LockedWorlds(writer, TIMEOUT_MS);
    const put = (text: string, id: number) => ({ ...appendJob("home/a", text), id });
    assertEquals(idsOf(worlds.apply([put("0", 1)], 0)), ["1"]);
    const other = new DatabaseSync(`${data}/home%2Fa/universe.db`);
    other.exec("BEGIN IMMEDIATE");
    const move = { id: 3, kind: "release" as const, name: "home/a", by: "T3" };
    assertEquals(idsOf(worlds.apply([put("1", 2), move, put("2", 4), job(5, "home/b")], 0)), ["5"]);
    assertEquals(idsOf(worlds.retry(500)), []);
    other.exec("ROLLBACK");
    other.close();
    assertEquals(idsOf(worlds.retry(900)), ["2", "3", "4"]);
    const check = new DatabaseSync(`${data}/home%2Fa/universe.db`);
    const row = check.prepare("SELECT CAST(stage_html AS TEXT) AS text FROM stage_meta").get();
    check.close();
    writer.close();
    assertEquals(row?.text, "012");
    return Promise.resolve();
  }));

Deno.test("LockedWorlds.apply() fails a job that does not wait at once, also behind others", () => {
  const runner = new TestRunner();
  runner.locked.add("home/a");
  const worlds = new LockedWorlds(runner, TIMEOUT_MS);
  const noWait = { ...job(1, "home/a"), lockWaitMs: 0 };
  assertEquals(idsOf(worlds.apply([noWait, job(2, "home/a")], 0)), ["1 in-use"]);
  runner.locked.clear();
  assertEquals(idsOf(worlds.apply([{ ...noWait, id: 3 }], 1)), ["3 in-use"]);
  assertEquals(idsOf(worlds.retry(2)), ["2"]);
  assertEquals(idsOf(worlds.apply([{ ...noWait, id: 4 }], 3)), ["4"]);
});

Deno.test("LockedWorlds.retry() fails a job after the time that the job may wait", () => {
  const runner = new TestRunner();
  runner.locked.add("home/a");
  const worlds = new LockedWorlds(runner, TIMEOUT_MS);
  worlds.apply([{ ...job(1, "home/a"), lockWaitMs: 300 }, job(2, "home/a")], 0);
  assertEquals(idsOf(worlds.retry(299)), []);
  assertEquals(idsOf(worlds.retry(400)), ["1 in-use"]);
});
