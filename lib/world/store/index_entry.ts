/** What the store records of committed events in the change index. Pure. */

import type { CommittedEvent, IndexEntry } from "../changes.ts";

/**
 * Returns the entry of events of one world.
 *
 * @param isRestricted whether only T3 can read a world
 */
export function toIndexEntry(
  name: string,
  events: readonly CommittedEvent[],
  isRestricted: (name: string) => boolean,
): IndexEntry {
  const move = events.map(readMove).find((found) => found !== undefined);
  const also = move?.from === name ? move.to : move?.from;
  return {
    name,
    restricted: isRestricted(name),
    ...(also === undefined ? {} : { alsoRestricted: isRestricted(also) }),
    events,
  };
}

/**
 * Returns the names of a `world_moved` event.
 *
 * @returns undefined for other events, and for a payload that was altered
 */
function readMove(
  { type, payload }: Pick<CommittedEvent, "type" | "payload">,
): { readonly from: string; readonly to: string } | undefined {
  if (type !== "world_moved") return undefined;
  try {
    const { from, to }: { from?: unknown; to?: unknown } = JSON.parse(payload) ?? {};
    if (typeof from !== "string" || typeof to !== "string") return undefined;
    return { from: from.slice(1), to: to.slice(1) };
  } catch {
    return undefined; // not JSON: the audit reports it
  }
}
