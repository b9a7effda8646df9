/**
 * The Worker side of the store's message protocol: receives batches of jobs, runs them with one
 * `Writer` or one `Reader`, and sends batches of replies. It contains no logic of the jobs.
 */

import { setImmediate } from "node:timers";
import { CatalogFile } from "./catalog_file.ts";
import { COLLECTIONS_FILE, replaceFile } from "../file/durable_fs.ts";
import { folderFault } from "../file/folder_identity.ts";
import { probeFolder } from "../file/probe_folder.ts";
import { handlesFailure } from "../file/open_failure.ts";
import { toStoreError } from "../sqlite_errors.ts";
import { StoreError } from "../store.ts";
import { LockedWorlds } from "./lock_retry.ts";
import type {
  AuditJob,
  CloseJob,
  IndexJob,
  JobResults,
  ReadJob,
  Reply,
  SearchJob,
  SnapshotJob,
  StatResult,
  StorePort,
  WorkerSetup,
  WriteJob,
} from "../store/worker_messages.ts";
import { createIndexServer, isIndexJob } from "./index_server.ts";
import { Reader } from "./reader.ts";
import { diffTexts } from "./diff_texts.ts";
import { SearchServer } from "./search_server.ts";
import { FOLD_QUIET_MS } from "./fold_schedule.ts";
import { Writer } from "./writer.ts";

/** A job that runs in one step. */
type ShortJob = Exclude<ReadJob, LongJob>;
/** A job that runs in steps and can be stopped. */
type LongJob = AuditJob | SnapshotJob | SearchJob;

/** Serves jobs on a port until a `close` job arrives. The first message must be the setup. */
export function serveStore(port: StorePort): void {
  port.onmessage = ({ data: setup }: MessageEvent<WorkerSetup>) => {
    if (setup.role === "writer") serveWriter(port, setup);
    else serveReader(port, setup);
  };
}

function serveWriter(port: StorePort, setup: WorkerSetup): void {
  const writer = new Writer(setup, {
    now: () => new Date().toISOString(),
    monotonic: () => performance.now(),
  });
  const locked = new LockedWorlds(writer, setup.lockWaitMs);
  let retryTimer: ReturnType<typeof setTimeout> | undefined;
  function scheduleRetry(): void {
    clearTimeout(retryTimer);
    const { dueAt } = locked;
    if (dueAt === undefined) return;
    retryTimer = setTimeout(() => {
      const replies = guarded(
        setup,
        () => locked.takeAll(),
        () => locked.retry(performance.now()),
      );
      port.postMessage({ replies, closedFiles: writer.takeClosed(), done: false });
      scheduleRetry();
      scheduleFold();
    }, Math.max(0, dueAt - performance.now()));
  }
  let checkpointing = false;
  function checkpoint(): void {
    checkpointing = writer.checkpointOne();
    if (checkpointing) setImmediate(checkpoint);
  }
  function startCheckpoints(): void {
    if (checkpointing) return;
    checkpointing = true;
    setImmediate(checkpoint);
  }
  let foldTimer: ReturnType<typeof setTimeout> | undefined;
  function scheduleFold(): void {
    if (foldTimer !== undefined || writer.unfolded === 0) return;
    const dueAt = writer.foldDueAt ?? Infinity;
    // Worlds that are added in the meantime are due after this time at the earliest.
    const delay = Math.min(FOLD_QUIET_MS, Math.max(0, dueAt - performance.now()));
    foldTimer = setTimeout(fold, delay);
  }
  function fold(): void {
    foldTimer = undefined;
    // One at a time, so that changes of other worlds do not wait for all.
    if (writer.foldOne()) startCheckpoints();
    scheduleFold();
  }
  port.onmessage = ({ data: jobs }: MessageEvent<readonly (WriteJob | CloseJob)[]>) => {
    const closing = jobs.find((job) => job.kind === "close");
    const changes = jobs.filter((job) => job.kind !== "close");
    const replies = guarded(setup, () => changes, () => locked.apply(changes, performance.now()));
    scheduleRetry();
    scheduleFold();
    if (closing === undefined) {
      port.postMessage({ replies, closedFiles: writer.takeClosed(), done: true });
      startCheckpoints();
      return;
    }
    clearTimeout(retryTimer);
    clearTimeout(foldTimer);
    writer.close();
    replies.push({ id: closing.id, value: undefined });
    // The store terminates the thread: a Worker that closes itself can lose its last message.
    port.postMessage({ replies, closedFiles: writer.takeClosed(), done: true });
  };
}

/**
 * Serves a reader, or the Worker of the indexes, which reads the worlds that it indexes. A job whose
 * world is locked fails at once; the store tries again later.
 */
function serveReader(port: StorePort, setup: WorkerSetup): void {
  const reader = new Reader(setup);
  const catalog = new CatalogFile(setup.data);
  const search = new SearchServer(setup.data, reader, () => assertFolder(setup));
  const index = createIndexServer(setup);
  /** Long jobs by their ticket; each runs in steps, and other jobs run between the steps. */
  const longJobs = new Map<number, AbortController>();
  /** Long jobs and jobs of the indexes without a reply. */
  const running = new Set<Promise<void>>();
  port.onmessage = ({ data: jobs }: MessageEvent<readonly (ReadJob | IndexJob | CloseJob)[]>) => {
    for (const job of jobs) {
      if (isIndexJob(job)) track(index.replyTo(job).then(send));
      else if (isLongJob(job)) track(answerLongJob(job));
      else if (job.kind === "close") void close(job);
      else send(replyTo(job));
    }
    // A long job does not delay the end of its batch, so that its cancellation can arrive, nor does a
    // query of an index, so that appends can arrive.
    port.postMessage({ replies: [], closedFiles: [], done: true });
  };

  function send(reply: Reply): void {
    port.postMessage({ replies: [reply], closedFiles: [], done: false });
  }

  function track(job: Promise<void>): void {
    running.add(job);
    void job.then(() => running.delete(job));
  }

  /** Stops the long jobs, so that none of them opens a file again after the reply. */
  async function close(job: CloseJob): Promise<void> {
    for (const controller of longJobs.values()) controller.abort();
    index.stop();
    await Promise.all(running);
    search.close();
    index.close();
    catalog.close();
    send({ id: job.id, value: undefined });
  }

  async function answerLongJob(job: LongJob): Promise<void> {
    const controller = new AbortController();
    longJobs.set(job.ticket, controller);
    const reply = await replyToLongJob(job, controller.signal);
    longJobs.delete(job.ticket);
    send(reply);
  }

  async function replyToLongJob(job: LongJob, signal: AbortSignal): Promise<Reply> {
    const detached = detachedReply(setup, job.id);
    if (detached !== undefined) return detached;
    try {
      return { id: job.id, value: await runLongJob(job, signal) };
    } catch (thrown) {
      return toErrorReply(setup, job, thrown);
    }
  }

  function runLongJob(
    job: LongJob,
    signal: AbortSignal,
  ): Promise<JobResults[LongJob["kind"]]> {
    if (job.kind === "search") return search.search(job, signal);
    return job.kind === "audit"
      ? reader.audit(job.name, signal)
      : reader.snapshot(job.name, job.path, job.key, signal);
  }

  function replyTo(job: ShortJob): Reply {
    const detached = detachedReply(setup, job.id);
    if (detached !== undefined) return detached;
    try {
      return { id: job.id, value: run(job) };
    } catch (thrown) {
      return toErrorReply(setup, job, thrown);
    }
  }

  function run(job: ShortJob): JobResults[keyof JobResults] {
    switch (job.kind) {
      case "read":
        return reader.read(job.name, job.maxBytes);
      case "readAt":
        return reader.readAt(job.name, job.version, job.maxBytes);
      case "stat":
        return job.names.map((name) => stat(reader, name));
      case "diff":
        return diffTexts(job.before, job.after);
      case "otherKey":
        return job.names.map((name) => reader.hasOtherKey(name));
      case "chain":
        return reader.chain(job.name, job.after, job.limit);
      case "log":
        return reader.log(job.name, job.before, job.limit);
      case "cancel":
        return void longJobs.get(job.ticket)?.abort();
      case "scan":
        return catalog.scan();
      case "probe":
        return void probeFolder(setup.data);
      case "save":
        return void catalog.save(job.rows, job.removed);
      case "mark": {
        const text = job.collections.map((name) => `${name}\n`).join("");
        return void replaceFile(
          `${setup.data}/${COLLECTIONS_FILE}`,
          new TextEncoder().encode(text),
        );
      }
      case "openSearch":
      case "updateSearch":
      case "sweepSearch":
      case "indexSearch":
        return search.update(job);
    }
  }
}

function isLongJob(job: ReadJob | CloseJob): job is LongJob {
  return job.kind === "audit" || job.kind === "snapshot" || job.kind === "search";
}

/**
 * Applies changes, and acknowledges them only if the data folder is the locked one before and after
 * the commit. Without the first check a new world could be created in another folder.
 *
 * @param jobs returns the jobs to fail if the first check fails
 */
function guarded(
  { identity }: WorkerSetup,
  jobs: () => readonly WriteJob[],
  apply: () => Reply[],
): Reply[] {
  if (identity === undefined) return apply();
  const before = folderFault(identity);
  if (before !== undefined) return jobs().map(({ id }) => detached(id, before));
  const replies = apply();
  const after = folderFault(identity);
  return after === undefined ? replies : replies.map(({ id }) => detached(id, after));
}

/** The reply to a job of a reader while the data folder is not the locked one; else undefined. */
function detachedReply({ identity }: WorkerSetup, id: number): Reply | undefined {
  const fault = identity === undefined ? undefined : folderFault(identity);
  return fault === undefined ? undefined : detached(id, fault);
}

/** @throws {StoreError} `detached` if the data folder was replaced */
function assertFolder({ identity }: WorkerSetup): void {
  const fault = identity === undefined ? undefined : folderFault(identity);
  if (fault !== undefined) throw new StoreError("detached", fault);
}

function detached(id: number, fault: string): Reply {
  return { id, error: { code: "detached", message: fault } };
}

function toErrorReply(setup: WorkerSetup, job: ReadJob | CloseJob, thrown: unknown): Reply {
  // The folder can have been replaced during the job; then this is the reason of any error.
  const lost = detachedReply(setup, job.id);
  if (lost !== undefined) return lost;
  const name = "name" in job ? job.name : "";
  const { code, message } = toStoreError(handlesFailure(setup.data, thrown), name);
  return { id: job.id, error: { code, message } };
}

/** Reads a catalog row; a damaged world gets a row too, so that listings show that it exists. */
function stat(reader: Reader, name: string): StatResult {
  for (let attempt = 0;; attempt++) {
    try {
      return reader.stat(name);
    } catch (thrown) {
      // Its row is read later; the other worlds of the job do not wait for it.
      const { code } = toStoreError(thrown, name);
      if (code === "in-use" || code === "busy") return "in-use";
      // A second attempt, because another process may have closed the file during the first.
      if (attempt === 0) continue;
      const unreadable = { version: 0, ext: "bin", len: 0, state: "damaged", updatedAt: "" };
      return { name, ...unreadable, by: "", head: 0, headAt: "", mtime: 0, size: 0 };
    }
  }
}
