import { DatabaseSync } from "node:sqlite";
import { assertEquals } from "../../support/assert.ts";
import { CATALOG_FILE } from "../../../lib/world/file/durable_fs.ts";
import { STAGED_EVENTS_PER_STEP } from "../../../lib/limits.ts";
import { CHANGES_FILE } from "../../../lib/world/worker/change_file.ts";
import type { ChainEvents, ChangePage } from "../../../lib/world/changes.ts";
import type {
  IndexJob,
  Job,
  JobResults,
  ReadJob,
  Reply,
  ReplyBatch,
  StorePort,
  WorkerSetup,
} from "../../../lib/world/store/worker_messages.ts";
import { serveStore } from "../../../lib/world/worker/worker_server.ts";
import type { WithoutId } from "../../../lib/world/store/worker_client.ts";
import {
  createSample,
  SAMPLE_FILE,
  SAMPLE_NAME,
  sampleSetup,
} from "../../testdata/sample_world.ts";
import { appendJob, putJob } from "../../testdata/test_writer.ts";
import { withTempFolder } from "../../support/temp_folder.ts";

/** The port of a Worker; the test controls the other end. */
class TestPort implements StorePort {
  onmessage: StorePort["onmessage"] = null;
  readonly sent: ReplyBatch[] = [];
  #done: (() => void) | undefined;

  constructor(setup: WorkerSetup) {
    serveStore(this);
    this.onmessage?.(new MessageEvent("message", { data: setup }));
  }

  postMessage(message: ReplyBatch): void {
    this.sent.push(message);
    if (message.done) this.#done?.();
  }

  /** Sends a batch and waits for its last reply. */
  async ask(jobs: readonly Job[]): Promise<Reply[]> {
    const from = this.sent.length;
    const done = new Promise<void>((resolve) => this.#done = resolve);
    this.onmessage?.(new MessageEvent("message", { data: jobs }));
    await done;
    const replies = () => this.sent.slice(from).flatMap((batch) => [...batch.replies]);
    // Replies to long jobs come after the end of their batch.
    while (replies().length < jobs.length) await new Promise((resume) => setTimeout(resume));
    return replies();
  }
}

async function askReader(data: string, job: WithoutId<ReadJob>): Promise<unknown> {
  const port = new TestPort({ ...sampleSetup(data), role: "reader" });
  const [reply] = await port.ask([{ ...job, id: 1 } as Job]);
  await port.ask([{ id: 2, kind: "close" }]);
  if (reply === undefined) throw new Error("no answer");
  return "error" in reply ? reply.error.code : reply.value;
}

Deno.test("serveStore() as a writer replies to a batch in one message, and to close last", () =>
  withTempFolder(async (data) => {
    for (const folder of [".incoming", ".trash"]) Deno.mkdirSync(`${data}/${folder}`);
    const port = new TestPort(sampleSetup(data));
    const jobs = [putJob("home/a", "1"), putJob("home/b", "1"), appendJob("home/a", "2")];
    const replies = await port.ask(jobs);
    assertEquals(replies.length, 3);
    assertEquals(port.sent.length, 1);
    const last = await port.ask([appendJob("home/a", "3"), { id: 9, kind: "close" }]);
    assertEquals(last.at(-1), { id: 9, value: undefined });
    assertEquals(port.sent.at(-1)?.closedFiles.map(({ name }) => name), ["home/a"]);
  }));

Deno.test("serveStore() as a reader runs each kind of job", () =>
  withTempFolder(async (data) => {
    createSample(data);
    const ask = (job: WithoutId<ReadJob>) => askReader(data, job);
    const versionOf = (value: unknown) =>
      typeof value === "object" && value !== null && "version" in value ? value.version : value;
    assertEquals(versionOf(await ask({ kind: "read", name: SAMPLE_NAME })), 5);
    assertEquals(versionOf(await ask({ kind: "readAt", name: SAMPLE_NAME, version: 2 })), 2);
    assertEquals(await ask({ kind: "readAt", name: SAMPLE_NAME, version: 77 }), "absent");
    assertEquals(versionOf(await ask({ kind: "audit", name: SAMPLE_NAME, ticket: 1 })), 5);
    assertEquals(await ask({ kind: "log", name: SAMPLE_NAME, before: 1, limit: 5 }), []);
    assertEquals(await ask({ kind: "scan" }), {
      rows: [],
      unindexed: [SAMPLE_NAME],
      ignored: { count: 0, samples: [] },
    });
    assertEquals(await ask({ kind: "mark", collections: ["home/a b", "home/c"] }), undefined);
    assertEquals(Deno.readTextFileSync(`${data}/.collections`), "home/a b\nhome/c\n");
  }));

Deno.test("serveStore() as a reader returns a row for a damaged world too", () =>
  withTempFolder(async (data) => {
    createSample(data);
    Deno.truncateSync(`${data}/${SAMPLE_FILE}`, 0);
    assertEquals(await askReader(data, { kind: "stat", names: ["home/none", SAMPLE_NAME] }), [
      undefined,
      {
        name: SAMPLE_NAME,
        version: 0,
        by: "",
        ext: "bin",
        head: 0,
        headAt: "",
        len: 0,
        state: "damaged",
        updatedAt: "",
        mtime: 0,
        size: 0,
      },
    ]);
    assertEquals(await askReader(data, { kind: "read", name: SAMPLE_NAME }), "damaged");
  }));

Deno.test("serveStore() as a reader replies with the code of an error and continues", () =>
  withTempFolder(async (data) => {
    const port = new TestPort({ ...sampleSetup(`${data}/none`), role: "reader" });
    const replies = await port.ask([
      { id: 1, kind: "scan" },
      { id: 2, kind: "mark", collections: [] },
      { id: 3, kind: "read", name: "home/x" },
    ]);
    assertEquals(replies.map((reply) => "error" in reply ? reply.error.code : reply.value), [
      "damaged",
      "damaged",
      undefined,
    ]);
    assertEquals(
      Array.from(Deno.readDirSync(data)).some(({ name }) => name === CATALOG_FILE),
      false,
    );
  }));

Deno.test("serveStore() as a reader answers short reads while an audit runs, and stops it on cancel", () =>
  withTempFolder(async (data) => {
    createSample(data);
    addEvents(`${data}/${SAMPLE_FILE}`, 20_000);
    const port = new TestPort({ ...sampleSetup(data), role: "reader" });
    const replies = await port.ask([
      { id: 1, kind: "audit", name: SAMPLE_NAME, ticket: 7 },
      { id: 2, kind: "log", name: SAMPLE_NAME, before: 1, limit: 1 },
      { id: 3, kind: "cancel", ticket: 7 },
    ]);
    assertEquals(replies.map(({ id }) => id), [2, 3, 1]);
    const last = replies.at(-1);
    assertEquals(last !== undefined && "error" in last ? last.error.code : last, "busy");
    await port.ask([{ id: 4, kind: "close" }]);
  }));

Deno.test("serveStore() as a reader replies to close after its long jobs, which it stops", () =>
  withTempFolder(async (data) => {
    createSample(data);
    addEvents(`${data}/${SAMPLE_FILE}`, 20_000);
    const port = new TestPort({ ...sampleSetup(data), role: "reader" });
    const [audit, last] = await port.ask([
      { id: 1, kind: "audit", name: SAMPLE_NAME, ticket: 7 },
      { id: 2, kind: "close" },
    ]);
    assertEquals(audit !== undefined && "error" in audit ? audit.error.code : audit, "busy");
    assertEquals(last, { id: 2, value: undefined });
  }));

Deno.test("serveStore() as the index replies to close after jobs in steps, which it stops", () =>
  withTempFolder(async (data) => {
    const port = new TestPort({ ...sampleSetup(data), role: "index" });
    const events = Array.from({ length: STAGED_EVENTS_PER_STEP + 1 }, (_, i) => ({
      id: i + 1,
      timestamp: "2026-01-02T03:04:05.678Z",
      type: "stage_written",
      payload: "{}",
    }));
    const entries = [{ name: "home/x", restricted: false, chain: "a".repeat(32), events }];
    await port.ask([{ id: 1, kind: "openIndex" }, {
      id: 2,
      kind: "stage",
      entries,
      isFirst: true,
    }]);
    const [complete, last] = await port.ask([
      { id: 3, kind: "completeIndex" },
      { id: 4, kind: "close" },
    ]);
    const code = complete !== undefined && "error" in complete ? complete.error.code : complete;
    assertEquals(code, "closed");
    assertEquals(last, { id: 4, value: undefined });
    assertEquals([...Deno.readDirSync(data)].map(({ name }) => name), [CHANGES_FILE]);
  }));

/** Adds events without valid HMACs, so that an audit takes many steps. */
function addEvents(path: string, count: number): void {
  const db = new DatabaseSync(path);
  db.exec(`INSERT INTO events (timestamp, event_type, payload, hmac, prev_hmac)
    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${count})
    SELECT '', 'remark', '{}', '', '' FROM n`);
  db.close();
}

Deno.test("serveStore() as the index appends and reads changes, also of worlds in the trash", () =>
  withTempFolder(async (data) => {
    createSample(data);
    const port = new TestPort({ ...sampleSetup(data), role: "index" });
    const ask = async (job: WithoutId<IndexJob>) => {
      const [reply] = await port.ask([{ ...job, id: 1 } as Job]);
      if (reply === undefined || "error" in reply) throw new Error(JSON.stringify(reply));
      return reply.value;
    };
    const { isComplete } = await ask({ kind: "openIndex" }) as JobResults["openIndex"];
    assertEquals(isComplete, false);
    Deno.mkdirSync(`${data}/.trash/x`, { recursive: true });
    Deno.renameSync(`${data}/home%2Fsample`, `${data}/.trash/x/home%2Fsample`);
    const path = ".trash/x/home%2Fsample/universe.db";
    const world = { bin: "x", name: SAMPLE_NAME, path };
    assertEquals(await ask({ kind: "trashed" }), [world]);
    assertEquals(await ask({ kind: "unknownTrash" }), [world]);
    assertEquals(await ask({ kind: "trashed", name: "home/other" }), []);
    const chain = await ask({ kind: "trashedChain", world, after: 0, limit: 1 }) as ChainEvents;
    const [part] = chain.parts;
    assertEquals([part?.name, part?.events.length, chain.more], [SAMPLE_NAME, 1, true]);
    const entries = chain.parts.map((part) => ({ ...part, restricted: false, chain: chain.chain }));
    await ask({ kind: "stage", entries, isFirst: true });
    await ask({ kind: "completeIndex" });
    await ask({ kind: "saveBin", bin: "x" });
    assertEquals(await ask({ kind: "unknownTrash" }), []);
    const within = [{ name: "home", part: "tree", restricted: false }] as const;
    const query = { within, order: "oldest", limit: 9 } as const;
    const page = await ask({ kind: "changes", query }) as ChangePage;
    assertEquals(page.events.map(({ name, id }) => [name, id]), [[SAMPLE_NAME, 1]]);
    await port.ask([{ id: 2, kind: "close" }]);
  }));

Deno.test("a change index that is damaged while it is open is lost until it is opened again", () =>
  withTempFolder(async (data) => {
    const port = new TestPort({ ...sampleSetup(data), role: "index" });
    const ask = async (job: WithoutId<IndexJob>) => (await port.ask([{ ...job, id: 1 } as Job]))[0];
    await ask({ kind: "openIndex" });
    await ask({ kind: "completeIndex" });
    const payload = JSON.stringify({ by: "T2", text: "x".repeat(20_000) });
    const timestamp = "2026-01-01T00:00:00.000Z";
    const entries = Array.from({ length: 200 }, (_, at) => ({
      name: `home/${at}`,
      restricted: false,
      events: [{ id: 1, timestamp, type: "stage_written", payload, hmac: `${at}` }],
    }));
    await ask({ kind: "appendIndex", entries });
    // The next opening moves everything from the write-ahead log to the file.
    await ask({ kind: "openIndex" });
    const path = `${data}/.changes.db`;
    using file = Deno.openSync(path, { write: true });
    file.seekSync(4096, Deno.SeekMode.Start);
    file.writeSync(new Uint8Array(file.statSync().size - 4096).fill(255));
    const within = [{ name: "home", part: "tree", restricted: false }] as const;
    const reply = await ask({
      kind: "changes",
      query: { within, order: "oldest", limit: 500 },
    });
    const codeOf = (found: Reply | undefined) =>
      found !== undefined && "error" in found ? found.error.code : found;
    assertEquals(codeOf(reply), "index-lost");
    assertEquals(codeOf(await ask({ kind: "keyed", key: "k" })), "index-lost");
    const opened = await ask({ kind: "openIndex" });
    const value = opened !== undefined && "value" in opened ? opened.value : undefined;
    assertEquals((value as JobResults["openIndex"]).isComplete, false);
    await ask({ kind: "completeIndex" });
    assertEquals(codeOf(await ask({ kind: "saveBin", bin: "x" })), { id: 1, value: undefined });
    await port.ask([{ id: 2, kind: "close" }]);
  }));
