/** A writer on a folder with a clock that never repeats, and short forms of its jobs. */

import type {
  AppendJob,
  NoteJob,
  PutJob,
  RemoveJob,
  Reply,
  TransitionJob,
  WorkerSetup,
  WriteResult,
} from "../../lib/world/store/worker_messages.ts";
import { Writer } from "../../lib/world/worker/writer.ts";
import { museumSetup } from "./museum.ts";

const encoder = new TextEncoder();
let nextId = 1;

/** A folder as a server leaves it ready, with a writer on it. */
export function testWriter(data: string, setup: Partial<WorkerSetup> = {}): Writer {
  for (const folder of [".incoming", ".trash"]) {
    Deno.mkdirSync(`${data}/${folder}`, { recursive: true });
  }
  let now = Date.parse("2026-01-01T00:00:00.000Z");
  return new Writer({ ...museumSetup(data), ...setup }, {
    now: () => new Date(now++).toISOString(),
  });
}

/** A replacement. */
export function putJob(
  name: string,
  body: string | Uint8Array<ArrayBuffer>,
  more: Partial<PutJob> = {},
): PutJob {
  const bytes = typeof body === "string" ? encoder.encode(body) : body;
  const base = { id: nextId++, kind: "put" as const, name, by: "T2", ext: "txt", meta: [] };
  return { ...base, body: bytes, state: "", facts: {}, ...more };
}

/** An append. */
export function appendJob(
  name: string,
  body: string | Uint8Array<ArrayBuffer>,
  more: Partial<AppendJob> = {},
): AppendJob {
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

/** A removal. */
export function removeJob(name: string, more: Partial<RemoveJob> = {}): RemoveJob {
  return { id: nextId++, kind: "remove", name, by: "T3", ...more };
}

/** A change of state. */
export function transitionJob(name: string, to: string): TransitionJob {
  return { id: nextId++, kind: "transition", name, by: "T3", to, facts: {} };
}

/** An event that changes nothing. */
export function noteJob(name: string): NoteJob {
  return { id: nextId++, kind: "note", name, by: "T3", type: "remark", payload: {} };
}

/** The result of a job, or the code it was refused with. */
export function outcomeOf(
  replies: readonly Reply[],
  job: { readonly id: number },
): WriteResult | string {
  const reply = replies.find(({ id }) => id === job.id);
  if (reply === undefined) throw new Error(`Job ${job.id} was not answered`);
  // A writer answers with nothing but write results.
  return "error" in reply ? reply.error.code : reply.value as WriteResult;
}

/** The versions jobs led to, or the codes they were refused with, in the order of the jobs. */
export function versionsOf(
  replies: readonly Reply[],
  jobs: readonly { readonly id: number }[],
): (number | string)[] {
  return jobs.map((job) => {
    const outcome = outcomeOf(replies, job);
    return typeof outcome === "string" ? outcome : outcome.version;
  });
}
