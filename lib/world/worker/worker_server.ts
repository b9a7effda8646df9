/**
 * The Worker's side of the store: a message edge around one `Writer` or one `Reader`. It takes jobs
 * and answers them in batches; what the jobs mean is not its concern.
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

/** What the edge needs of a Worker's global scope. */
export interface StorePort {
  onmessage: ((event: MessageEvent) => void) | null;
  postMessage(message: ReplyBatch): void;
}

/** Serves jobs on a port until it is told to close. The first message is the setup. */
export function serveStore(port: StorePort): void {
  port.onmessage = ({ data: setup }: MessageEvent<WorkerSetup>) => {
    if (setup.role === "writer") serveWriter(port, setup);
    else serveReader(port, setup);
  };
}

function serveWriter(port: StorePort, setup: WorkerSetup): void {
  const writer = new Writer(setup, { now: () => new Date().toISOString() });
  let tending = false;
  function tend(): void {
    tending = writer.checkpointOne();
    if (tending) setImmediate(tend);
  }
  port.onmessage = ({ data: jobs }: MessageEvent<readonly (WriteJob | CloseJob)[]>) => {
    const closing = jobs.find((job) => job.kind === "close");
    const replies = writer.apply(jobs.filter((job) => job.kind !== "close"));
    if (closing === undefined) {
      port.postMessage({ replies, closedFiles: writer.takeClosed(), done: true });
      if (!tending) {
        tending = true;
        setImmediate(tend);
      }
      return;
    }
    writer.close();
    replies.push({ id: closing.id, value: undefined });
    // The thread is ended from outside: one that closes itself may take its last message with it.
    port.postMessage({ replies, closedFiles: writer.takeClosed(), done: true });
  };
}

function serveReader(port: StorePort, setup: WorkerSetup): void {
  const reader = new Reader(setup);
  const catalog = new CatalogFile(setup.data);
  port.onmessage = async ({ data: jobs }: MessageEvent<readonly (ReadJob | CloseJob)[]>) => {
    for (const job of jobs) {
      const reply = await answer(job);
      port.postMessage({ replies: [reply], closedFiles: [], done: false });
    }
    port.postMessage({ replies: [], closedFiles: [], done: true });
  };

  async function answer(job: ReadJob | CloseJob): Promise<Reply> {
    try {
      return { id: job.id, value: await look(job) };
    } catch (thrown) {
      const { code, message } = toStoreError(thrown, "name" in job ? job.name : "");
      return { id: job.id, error: { code, message } };
    }
  }

  function look(
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
        return void catalog.save(job.rows, job.gone);
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

/** A damaged world is listed all the same, or nobody would learn that it is there. */
function stat(reader: Reader, name: string): CatalogRow | undefined {
  try {
    return reader.stat(name);
  } catch {
    const unreadable = { version: 0, ext: "bin", len: 0, state: "damaged", updatedAt: "" };
    return { name, ...unreadable, mtime: 0, size: 0 };
  }
}
