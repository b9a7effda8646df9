/**
 * The values that the change index derives from an event: the lists that it is in, and what is needed
 * of its payload. Pure.
 */

import { createByFilter } from "./by_filter.ts";
import type { ChangeQuery, CommittedEvent, IndexedHead } from "./changes.ts";

/** Worlds that only T3 can read have lists of their own, so that they cost other callers no time. */
export function pathKey(path: string, restricted: boolean): string {
  return restricted ? `!${path}` : path;
}

/** The collections above a name: `home/a/b` has `home/a`, `home` and `""`. */
export function collectionsOf(name: string): string[] {
  const paths = [""];
  for (let at = name.indexOf("/"); at > 0; at = name.indexOf("/", at + 1)) {
    paths.push(name.slice(0, at));
  }
  return paths;
}

/** What the index needs of a payload: the caller, both names of a move, the entry of the trash. */
export function readPayload(
  event: CommittedEvent,
): { by: string; from?: string; to?: string; trash?: string } {
  const payload = parseJson(event.payload);
  if (typeof payload !== "object" || payload === null) return { by: "" };
  const { by, from, to, trash }: { [K in "by" | "from" | "to" | "trash"]?: unknown } = payload;
  const caller = typeof by === "string" ? by : "";
  if (event.type === "world_deleted" && typeof trash === "string") return { by: caller, trash };
  if (event.type !== "world_moved" || typeof from !== "string" || typeof to !== "string") {
    return { by: caller };
  }
  return { by: caller, from: from.slice(1), to: to.slice(1) };
}

/** Parses a payload; an altered one is shown as stored, and the audit reports it. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

/** Creates the test for the events of a query. A time is tested, because clocks can step back. */
export function createFilter(
  { by, since = "" }: ChangeQuery,
): (row: Readonly<Record<string, unknown>>) => boolean {
  const matches = createByFilter(by);
  return (row) => String(row.at) >= since && matches(String(row.by));
}

/** Reads a row of `heads`. */
export function toHead(
  row: Readonly<Record<string, unknown>> | undefined,
): IndexedHead | undefined {
  if (row === undefined) return undefined;
  const { chain, event, at, ended, hmac } = row;
  return {
    chain: String(chain),
    event: Number(event),
    at: String(at),
    hmac: String(hmac),
    ended: Number(ended) === 1,
  };
}
