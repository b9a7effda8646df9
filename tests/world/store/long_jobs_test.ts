import { assertEquals, assertMatch, assertRejects } from "../../support/assert.ts";
import { type LongJob, type LongJobLimits, LongJobs } from "../../../lib/world/store/long_jobs.ts";
import { StoreError } from "../../../lib/world/store.ts";

const LIMITS: LongJobLimits = { running: 2, waiting: 2, waitingPerClient: 2 };
const SETTLED = { text: "1", isSettled: true };

/** A job that the test ends; it fails with `busy` when it is stopped, as the Worker's jobs do. */
class TestJob implements LongJob<string> {
  readonly key: string;
  starts = 0;
  fileState = SETTLED;
  readonly #end = Promise.withResolvers<string>();

  constructor(readonly name: string) {
    this.key = name;
  }

  start(signal: AbortSignal): Promise<string> {
    this.starts += 1;
    const stopped = new Promise<never>((_, reject) =>
      signal.addEventListener("abort", () => reject(new StoreError("busy", "stopped")))
    );
    return Promise.race([this.#end.promise, stopped]);
  }

  end(): void {
    this.#end.resolve(`result of ${this.name}`);
  }
}

Deno.test("LongJobs.run() shares a job between callers, waiting or running", async () => {
  const jobs = new LongJobs(LIMITS);
  const job = new TestJob("a");
  const results = ["ada", "bob", "eve"].map((client) => jobs.run(job, { client }));
  job.end();
  assertEquals(await Promise.all(results), Array(3).fill("result of a"));
  assertEquals([job.starts, jobs.counts], [1, {
    running: 0,
    waiting: 0,
    shared: 2,
    stopped: 0,
    refused: { total: 0, client: 0 },
  }]);
});

Deno.test("LongJobs.run() starts a job again for a caller that comes after a change of the file", async () => {
  const jobs = new LongJobs(LIMITS);
  const before = new TestJob("a");
  const after = new TestJob("a");
  after.fileState = { text: "2", isSettled: true };
  const first = jobs.run(before, { client: "ada" });
  const second = jobs.run(after, { client: "bob" });
  // It waits, so that later callers can share it.
  assertEquals([after.starts, jobs.counts.waiting], [0, 1]);
  before.end();
  await first;
  after.end();
  await second;
  assertEquals([before.starts, after.starts], [1, 1]);
});

Deno.test("LongJobs.run() does not share a running job if its file had just changed", async () => {
  const jobs = new LongJobs(LIMITS);
  const [first, second] = [new TestJob("a"), new TestJob("a")];
  first.fileState = { text: "1", isSettled: false };
  const results = [jobs.run(first), jobs.run(second)];
  first.end();
  second.end();
  await Promise.all(results);
  assertEquals(second.starts, 1);
});

Deno.test("LongJobs.run() stops a job when its last caller leaves, and not before", async () => {
  const jobs = new LongJobs(LIMITS);
  const job = new TestJob("a");
  const [ada, bob] = [new AbortController(), new AbortController()];
  const results = [ada, bob].map(({ signal }) => jobs.run(job, { client: "x", signal }));
  ada.abort();
  await assertRejects(results[0] ?? Promise.resolve(), { name: "AbortError" });
  assertEquals(jobs.counts.running, 1);
  bob.abort();
  await assertRejects(results[1] ?? Promise.resolve(), { name: "AbortError" });
  await new Promise((resume) => setTimeout(resume));
  assertEquals(jobs.counts.running, 0);
});

Deno.test("LongJobs.run() never starts a job whose callers left while it waited", async () => {
  const jobs = new LongJobs({ ...LIMITS, running: 1 });
  const [first, second] = [new TestJob("a"), new TestJob("b")];
  const running = jobs.run(first, { client: "ada" });
  const caller = new AbortController();
  const waiting = jobs.run(second, { client: "ada", signal: caller.signal });
  caller.abort();
  await assertRejects(waiting, { name: "AbortError" });
  first.end();
  await running;
  assertEquals([second.starts, jobs.counts.waiting, jobs.counts.stopped], [0, 0, 1]);
});

Deno.test("LongJobs.run() keeps one place for other clients", async () => {
  const jobs = new LongJobs(LIMITS);
  const own = ["a", "b", "c"].map((name) => new TestJob(name));
  const results = own.map((job) => jobs.run(job, { client: "ada" }));
  assertEquals(jobs.counts, {
    running: 1,
    waiting: 2,
    shared: 0,
    stopped: 0,
    refused: { total: 0, client: 0 },
  });
  const other = new TestJob("d");
  results.push(jobs.run(other, { client: "bob" }));
  assertEquals(other.starts, 1);
  for (const job of [...own, other]) job.end();
  await Promise.all(results);
});

Deno.test("LongJobs.run() throws busy beyond the limits of waiting jobs, for one client and for all", async () => {
  const jobs = new LongJobs({ running: 1, waiting: 2, waitingPerClient: 1 });
  const all = ["a", "b", "c", "d", "e"].map((name) => new TestJob(name));
  const clients = ["ada", "ada", "ada", "bob", "eve"];
  const outcomes = all.map((job, i) => jobs.run(job, { client: clients[i] ?? "" }));
  const settled = Promise.allSettled(outcomes);
  for (const job of all) job.end();
  assertEquals((await settled).map(({ status }) => status === "fulfilled"), [
    true,
    true,
    false, // the second waiting job of ada
    true,
    false, // the third waiting job
  ]);
  await assertRejects(outcomes[2] ?? Promise.resolve(), { code: "busy" });
  assertEquals(jobs.counts.refused, { total: 1, client: 1 });
});

Deno.test("LongJobs.run() starts jobs of the server itself at once", async () => {
  const jobs = new LongJobs({ running: 1, waiting: 0, waitingPerClient: 0 });
  const [client, own] = [new TestJob("a"), new TestJob("b")];
  const results = [jobs.run(client, { client: "ada" }), jobs.run(own)];
  assertEquals([client.starts, own.starts], [1, 1]);
  client.end();
  own.end();
  await Promise.all(results);
});

Deno.test("LongJobs.interrupt() starts the jobs of a world again, at most three times", async () => {
  const jobs = new LongJobs(LIMITS);
  const [job, other] = [new TestJob("a"), new TestJob("b")];
  const results = [jobs.run(job, { client: "ada" }), jobs.run(other, { client: "bob" })];
  const settled = Promise.allSettled(results);
  jobs.interrupt(["a"]);
  await new Promise((resume) => setTimeout(resume));
  assertEquals([job.starts, other.starts], [2, 1]);
  for (let i = 0; i < 3; i++) {
    jobs.interrupt(["a"]);
    await new Promise((resume) => setTimeout(resume));
  }
  assertEquals(job.starts, 4);
  other.end();
  const [interrupted] = await settled;
  assertEquals(interrupted?.status === "rejected" ? interrupted.reason.code : "", "busy");
  assertMatch(
    String(interrupted?.status === "rejected" && interrupted.reason),
    /moves or deletions/,
  );
});

Deno.test("LongJobs.close() answers every caller with closed, also later ones", async () => {
  const jobs = new LongJobs({ ...LIMITS, running: 1 });
  const results = [jobs.run(new TestJob("a")), jobs.run(new TestJob("b"), { client: "ada" })];
  const settled = Promise.allSettled(results);
  jobs.close();
  for (const outcome of await settled) {
    assertEquals(outcome.status === "rejected" ? outcome.reason.code : "", "closed");
  }
  await assertRejects(jobs.run(new TestJob("c")), { code: "closed" });
});
