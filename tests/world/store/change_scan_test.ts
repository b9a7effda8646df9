import { assertEquals, assertRejects } from "../../support/assert.ts";
import type { ChangePage, ChangeQuery, IndexedEvent } from "../../../lib/world/changes.ts";
import { readPage } from "../../../lib/world/store/change_scan.ts";
import { StoreError } from "../../../lib/world/store.ts";
import { LongJobs } from "../../../lib/world/store/long_jobs.ts";

const QUERY: ChangeQuery = { within: [], order: "newest", limit: 3 };
const FILTERED: ChangeQuery = { ...QUERY, by: "T2" };
const LIMITS = { running: 1, waiting: 1, waitingPerClient: 1 };

function event(id: number): IndexedEvent {
  return { cursor: `${id}`, name: "home/x", id, timestamp: "", type: "stage_written", payload: {} };
}

/** An index that answers with these parts, each when the test allows it. */
class TestIndex {
  readonly queries: ChangeQuery[] = [];
  readonly #pending: PromiseWithResolvers<ChangePage>[] = [];

  read(query: ChangeQuery): Promise<ChangePage> {
    this.queries.push(query);
    const pending = Promise.withResolvers<ChangePage>();
    this.#pending.push(pending);
    return pending.promise;
  }

  async answer(ids: readonly number[], cursor: string, more: boolean): Promise<void> {
    this.#pending.shift()?.resolve({ events: ids.map(event), cursor, more });
    // The next part is asked for in later microtasks.
    await new Promise((resume) => setTimeout(resume));
  }

  async refuse(): Promise<void> {
    this.#pending.shift()?.reject(new StoreError("gone", "unknown position"));
    await new Promise((resume) => setTimeout(resume));
  }
}

Deno.test("readPage() continues a filtered page part by part until it is full", async () => {
  const index = new TestIndex();
  const page = readPage(index, new LongJobs(LIMITS), FILTERED, { client: "ada" });
  await index.answer([9], "c9", true);
  await index.answer([], "c5", true);
  await index.answer([4, 3], "c3", true);
  const { events, cursor, more } = await page;
  assertEquals([events.map(({ id }) => id), cursor, more], [[9, 4, 3], "c3", true]);
  assertEquals(index.queries.map(({ from, limit }) => [from, limit]), [
    [undefined, 3],
    ["c9", 2],
    ["c5", 2],
  ]);
});

Deno.test("readPage() begins a scan again if the index was created again between two parts", async () => {
  const index = new TestIndex();
  const query = { ...FILTERED, from: "c20" };
  const page = readPage(index, new LongJobs(LIMITS), query, { client: "ada" });
  await index.answer([9], "c9", true);
  await index.refuse();
  await index.answer([8], "c8", false);
  assertEquals((await page).events.map(({ id }) => id), [8]);
  assertEquals(index.queries.map(({ from }) => from), ["c20", "c9", "c20"]);
  const gone = readPage(index, new LongJobs(LIMITS), query, { client: "ada" });
  const refused = assertRejects(() => gone, { code: "gone" });
  await index.refuse();
  await refused;
});

Deno.test("readPage() stops a scan whose callers have disconnected", async () => {
  const index = new TestIndex();
  const jobs = new LongJobs(LIMITS);
  const client = new AbortController();
  const page = readPage(index, jobs, FILTERED, { client: "ada", signal: client.signal });
  await index.answer([], "c9", true);
  client.abort();
  await assertRejects(page, { name: "AbortError" });
  await index.answer([], "c8", true);
  assertEquals([index.queries.length, jobs.counts.running, jobs.counts.stopped], [2, 0, 1]);
});

Deno.test("readPage() limits scans per client and no other page", async () => {
  const index = new TestIndex();
  const jobs = new LongJobs(LIMITS);
  const pages = ["T2", "T3"].map((by) =>
    readPage(index, jobs, { ...QUERY, by }, { client: "ada" })
  );
  const beyond = readPage(index, jobs, { ...QUERY, by: "T1" }, { client: "ada" });
  await assertRejects(beyond, { code: "busy" });
  assertEquals(index.queries.length, 1);
  const plain = readPage(index, jobs, QUERY, { client: "ada" });
  for (let i = 0; i < 3; i++) await index.answer([], "c0", false);
  await Promise.all([...pages, plain]);
  assertEquals(jobs.counts.refused.total + jobs.counts.refused.client, 1);
});
