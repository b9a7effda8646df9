/**
 * Reads a page of the change index. A page of one caller (`by`) can need a scan of all changes, so it
 * is a long job: their limits apply, and it stops when its clients have disconnected.
 */

import { CHANGE_SCAN_PART_STEPS } from "../../limits.ts";
import type { ChangePage, ChangeQuery, IndexedEvent } from "../changes.ts";
import { type JobCaller, StoreError } from "../store.ts";
import type { ChangeIndex } from "./change_index.ts";
import type { LongJobs } from "./long_jobs.ts";

type Index = Pick<ChangeIndex, "read">;

/**
 * Reads a page.
 *
 * @param jobs the long jobs of the store
 * @throws {StoreError} `gone` if the position cannot be located, `busy` if the index is being created
 * or too many long jobs wait
 * @throws {DOMException} `AbortError` if the signal of the caller is aborted during a scan
 */
export async function readPage(
  index: Index,
  jobs: Pick<LongJobs, "run">,
  query: ChangeQuery,
  caller: JobCaller,
): Promise<ChangePage> {
  if (query.by === undefined) return await index.read(query);
  return await jobs.run<ChangePage>({
    key: `changes ${JSON.stringify(query)}`,
    name: "",
    // A running scan can have begun before a change that this caller has made.
    fileState: { text: "", isSettled: false },
    start: (signal) => scan(index, query, signal),
  }, caller);
}

/** Reads a page in parts, so that a scan can stop between two of them. */
async function scan(index: Index, query: ChangeQuery, signal: AbortSignal): Promise<ChangePage> {
  const events: IndexedEvent[] = [];
  const { isInclusive: _, ...others } = query;
  for (let next: ChangeQuery = query;;) {
    const part = {
      ...next,
      limit: query.limit - events.length,
      maxSteps: CHANGE_SCAN_PART_STEPS,
    };
    const page = await readPart(index, part, next === query);
    if (page === undefined) {
      events.length = 0;
      next = query;
      continue;
    }
    events.push(...page.events);
    next = { ...others, from: page.cursor };
    if (!page.more || events.length === query.limit) return { ...page, events };
    signal.throwIfAborted();
  }
}

/**
 * Reads a part of a scan.
 *
 * @param isFirst whether it begins where the query begins
 * @returns undefined if the index was created again after the part before, so that the scan must begin
 * again
 */
async function readPart(
  index: Index,
  part: ChangeQuery,
  isFirst: boolean,
): Promise<ChangePage | undefined> {
  try {
    return await index.read(part);
  } catch (error) {
    if (isFirst || !(error instanceof StoreError) || error.code !== "gone") throw error;
    return undefined;
  }
}
