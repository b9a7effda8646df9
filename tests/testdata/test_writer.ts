/** A writer with a clock that never repeats, and short functions that create its jobs. */

import type {
  AppendJob,
  NoteJob,
  PutJob,
  RemoveJob,
  TransitionJob,
  WriteResult,
} from "../../lib/world/change/write_job.ts";
import type { Queued, Reply, WorkerSetup } from "../../lib/world/store/worker_messages.ts";
import { createChainSigner } from "../../lib/world/event_chain.ts";
import { WorldFile } from "../../lib/world/file/world_file.ts";
import { toFolderName } from "../../lib/world/name.ts";
import { Writer } from "../../lib/world/worker/writer.ts";
import { sampleSetup } from "./sample_world.ts";

const encoder = new TextEncoder();
let nextId = 1;

/** Prepares a data folder and creates a writer for it; with a clock that stands still it never folds in time. */
export function testWriter(
  data: string,
  setup: Partial<WorkerSetup> = {},
  monotonic = () => 0,
): Writer {
  for (const folder of [".incoming", ".trash"]) {
    Deno.mkdirSync(`${data}/${folder}`, { recursive: true });
  }
  let now = Date.parse("2026-01-01T00:00:00.000Z");
  return new Writer({ ...sampleSetup(data), ...setup }, {
    now: () => new Date(now++).toISOString(),
    monotonic,
  });
}

/**
 * Deletes a world as a writer does that is stopped before it moves the folder to the trash. The
 * file must not be open.
 */
export function removeWithoutMove(data: string, name: string): void {
  const path = `${data}/${toFolderName(name)}/universe.db`;
  const { sync, history, key } = sampleSetup(data);
  const file = new WorldFile(name, path, { sign: createChainSigner(key), sync, history });
  file.begin();
  file.markDeleted("2026-01-02T00:00:00.000Z", { trash: "interrupted", by: "T3" });
  file.commit();
  file.close();
}

/** Names in the trash of a data folder, without the ledger of names. */
export function trashIds(data: string): string[] {
  return [...Deno.readDirSync(`${data}/.trash`)]
    .filter(({ isDirectory }) => isDirectory).map(({ name }) => name).sort();
}

/** Creates a job that replaces a world. */
export function putJob(
  name: string,
  body: string | Uint8Array<ArrayBuffer>,
  more: Partial<Queued<PutJob>> = {},
): Queued<PutJob> {
  const bytes = typeof body === "string" ? encoder.encode(body) : body;
  const base = { id: nextId++, kind: "put" as const, name, by: "T2", ext: "txt", meta: [] };
  return { ...base, body: bytes, state: "", eventFields: {}, ...more };
}

/** Creates a job that appends to a world. */
export function appendJob(
  name: string,
  body: string | Uint8Array<ArrayBuffer>,
  more: Partial<Queued<AppendJob>> = {},
): Queued<AppendJob> {
  const bytes = typeof body === "string" ? encoder.encode(body) : body;
  return {
    id: nextId++,
    kind: "append",
    name,
    by: "T2",
    ext: "txt",
    body: bytes,
    state: "",
    ...more,
  };
}

/** Creates a job that deletes a world. */
export function removeJob(name: string, more: Partial<Queued<RemoveJob>> = {}): Queued<RemoveJob> {
  return { id: nextId++, kind: "remove", name, by: "T3", ...more };
}

/** Creates a job that changes a state. */
export function transitionJob(name: string, to: string): Queued<TransitionJob> {
  return { id: nextId++, kind: "transition", name, by: "T3", to, eventFields: {} };
}

/** Creates a job that appends an event without a change. */
export function noteJob(name: string): Queued<NoteJob> {
  return { id: nextId++, kind: "note", name, by: "T3", type: "remark", payload: {} };
}

/** Returns the result of a job, or the code of its error. */
export function outcomeOf(
  replies: readonly Reply[],
  job: { readonly id: number },
): WriteResult | string {
  const reply = replies.find(({ id }) => id === job.id);
  if (reply === undefined) throw new Error(`Job ${job.id} was not answered`);
  // All replies of a writer are write results.
  return "error" in reply ? reply.error.code : reply.value as WriteResult;
}

/** Returns the versions after jobs, or the codes of their errors, in the order of the jobs. */
export function versionsOf(
  replies: readonly Reply[],
  jobs: readonly { readonly id: number }[],
): (number | string)[] {
  return jobs.map((job) => {
    const outcome = outcomeOf(replies, job);
    return typeof outcome === "string" ? outcome : outcome.version;
  });
}
