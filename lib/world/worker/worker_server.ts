/**
 * The Worker side of the store's message protocol: receives batches of jobs, runs them with one
 * `Writer` or one `Reader`, and sends batches of replies. It contains no logic of the jobs.
 */

import { setImmediate } from "node:timers";
import { CatalogFile } from "./catalog_file.ts";
import { COLLECTIONS_FILE, replaceFile } from "../file/durable_fs.ts";
import { toStoreError } from "../sqlite_errors.ts";
import type {
  AuditJob,
  CatalogRow,
  CloseJob,
  JobResults,
  ReadJob,
  Reply,
  ReplyBatch,
  SnapshotJob,
  WorkerSetup,
  WriteJob,
} from "../store/worker_messages.ts";
import { Reader } from "./reader.ts";
import { Writer } from "./writer.ts";

/** A job that runs in one step. */
type ShortJob = Exclude<ReadJob, AuditJob | SnapshotJob> | CloseJob;

/** The part of a Worker's global scope that {@link serveStore} uses. */
export interface StorePort {
  onmessage: ((event: MessageEvent) => void) | null;
  postMessage(message: ReplyBatch): void;
}

/** Serves jobs on a port until a `close` job arrives. The first message must be the setup. */
export function serveStore(port: StorePort): void {
  port.onmessage = ({ data: setup }: MessageEvent<WorkerSetup>) => {
    if (setup.role === "writer") serveWriter(port, setup);
    else serveReader(port, setup);
  };
}

function serveWriter(port: StorePort, setup: WorkerSetup): void {
  const writer = new Writer(setup, { now: () => new Date().toISOString() });
  let checkpointing = false;
  function checkpoint(): void {
    checkpointing = writer.checkpointOne();
    if (checkpointing) setImmediate(checkpoint);
  }
  port.onmessage = ({ data: jobs }: MessageEvent<readonly (WriteJob | CloseJob)[]>) => {
    const closing = jobs.find((job) => job.kind === "close");
    const replies = writer.apply(jobs.filter((job) => job.kind !== "close"));
    if (closing === undefined) {
      port.postMessage({ replies, closedFiles: writer.takeClosed(), done: true });
      if (!checkpointing) {
        checkpointing = true;
        setImmediate(checkpoint);
      }
      return;
    }
    writer.close();
    replies.push({ id: closing.id, value: undefined });
    // The store terminates the thread: a Worker that closes itself can lose its last message.
    port.postMessage({ replies, closedFiles: writer.takeClosed(), done: true });
  };
}

function serveReader(port: StorePort, setup: WorkerSetup): void {
  const reader = new Reader(setup);
  const catalog = new CatalogFile(setup.data);
  /** Long jobs by their ticket; each runs in steps, and other jobs run between the steps. */
  const longJobs = new Map<number, AbortController>();
  port.onmessage = ({ data: jobs }: MessageEvent<readonly (ReadJob | CloseJob)[]>) => {
    for (const job of jobs) {
      if (job.kind === "audit" || job.kind === "snapshot") void answerLongJob(job);
      else send(replyTo(job));
    }
    // A long job does not delay the end of its batch, so that its cancellation can arrive.
    port.postMessage({ replies: [], closedFiles: [], done: true });
  };

  function send(reply: Reply): void {
    port.postMessage({ replies: [reply], closedFiles: [], done: false });
  }

  async function answerLongJob(job: AuditJob | SnapshotJob): Promise<void> {
    const controller = new AbortController();
    longJobs.set(job.ticket, controller);
    try {
      send({ id: job.id, value: await runLongJob(job, controller.signal) });
    } catch (thrown) {
      send(toErrorReply(job, thrown));
    } finally {
      longJobs.delete(job.ticket);
    }
  }

  function runLongJob(
    job: AuditJob | SnapshotJob,
    signal: AbortSignal,
  ): Promise<JobResults["audit" | "snapshot"]> {
    return job.kind === "audit"
      ? reader.audit(job.name, signal)
      : reader.snapshot(job.name, job.path, job.key, signal);
  }

  function replyTo(job: ShortJob): Reply {
    try {
      return { id: job.id, value: run(job) };
    } catch (thrown) {
      return toErrorReply(job, thrown);
    }
  }

  function run(job: ShortJob): JobResults[keyof JobResults] {
    switch (job.kind) {
      case "read":
        return reader.read(job.name);
      case "readAt":
        return reader.readAt(job.name, job.version);
      case "stat":
        return job.names.map((name) => stat(reader, name));
      case "log":
        return reader.log(job.name, job.before, job.limit);
      case "cancel":
        return void longJobs.get(job.ticket)?.abort();
      case "scan":
        return catalog.scan();
      case "save":
        return void catalog.save(job.rows, job.removed);
      case "mark": {
        const text = job.collections.map((name) => `${name}\n`).join("");
        return void replaceFile(
          `${setup.data}/${COLLECTIONS_FILE}`,
          new TextEncoder().encode(text),
        );
      }
      case "close":
        return void catalog.close();
    }
  }
}

function toErrorReply(job: ReadJob | CloseJob, thrown: unknown): Reply {
  const { code, message } = toStoreError(thrown, "name" in job ? job.name : "");
  return { id: job.id, error: { code, message } };
}

/** Reads a catalog row; a damaged world gets a row too, so that listings show that it exists. */
function stat(reader: Reader, name: string): CatalogRow | undefined {
  try {
    return reader.stat(name);
  } catch {
    const unreadable = { version: 0, ext: "bin", len: 0, state: "damaged", updatedAt: "" };
    return { name, ...unreadable, mtime: 0, size: 0 };
  }
}
