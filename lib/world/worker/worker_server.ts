/**
 * The Worker side of the store's message protocol: receives batches of jobs, runs them with one
 * `Writer` or one `Reader`, and sends batches of replies. It contains no logic of the jobs.
 */

import { setImmediate } from "node:timers";
import { CatalogFile } from "./catalog_file.ts";
import { COLLECTIONS_FILE, replaceFile } from "../file/durable_fs.ts";
import { toStoreError } from "../sqlite_errors.ts";
import type {
  CatalogRow,
  CloseJob,
  JobResults,
  ReadJob,
  Reply,
  ReplyBatch,
  WorkerSetup,
  WriteJob,
} from "../store/worker_messages.ts";
import { Reader } from "./reader.ts";
import { Writer } from "./writer.ts";

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
  port.onmessage = async ({ data: jobs }: MessageEvent<readonly (ReadJob | CloseJob)[]>) => {
    for (const job of jobs) {
      const reply = await replyTo(job);
      port.postMessage({ replies: [reply], closedFiles: [], done: false });
    }
    port.postMessage({ replies: [], closedFiles: [], done: true });
  };

  async function replyTo(job: ReadJob | CloseJob): Promise<Reply> {
    try {
      return { id: job.id, value: await run(job) };
    } catch (thrown) {
      const { code, message } = toStoreError(thrown, "name" in job ? job.name : "");
      return { id: job.id, error: { code, message } };
    }
  }

  function run(
    job: ReadJob | CloseJob,
  ): JobResults[keyof JobResults] | Promise<JobResults["audit" | "snapshot"]> {
    switch (job.kind) {
      case "read":
        return reader.read(job.name);
      case "readAt":
        return reader.readAt(job.name, job.version);
      case "stat":
        return job.names.map((name) => stat(reader, name));
      case "audit":
        return reader.audit(job.name);
      case "log":
        return reader.log(job.name, job.before, job.limit);
      case "snapshot":
        return reader.snapshot(job.name, job.path, job.key);
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

/** Reads a catalog row; a damaged world gets a row too, so that listings show that it exists. */
function stat(reader: Reader, name: string): CatalogRow | undefined {
  try {
    return reader.stat(name);
  } catch {
    const unreadable = { version: 0, ext: "bin", len: 0, state: "damaged", updatedAt: "" };
    return { name, ...unreadable, mtime: 0, size: 0 };
  }
}
