/**
 * The changes that the reader of a collection stream has missed, read from the one order of all
 * changes. It contains only worlds that the caller can read.
 */

import type { Caller } from "../../auth/caller.ts";
import { canRead } from "../../auth/policy.ts";
import { limitReadScope, toReadScope } from "../../auth/read_scope.ts";
import { MAX_STREAM_REPLAY_CHANGES } from "../../limits.ts";
import type { IndexedEvent } from "../../world/changes.ts";
import { type Change, type Store, StoreError } from "../../world/store.ts";

/** A change with its place in the order of all changes. */
export type StreamedChange = Pick<Change, "kind" | "name" | "version" | "world"> & {
  readonly cursor: string;
};

/** What a reader has missed. */
export interface MissedChanges {
  /** The changes, each world once; undefined if the reader needs the whole state. */
  readonly changes?: readonly StreamedChange[];
  /** The cursors of all events that were read, also of those that a later one replaces. */
  readonly known: ReadonlySet<string>;
  /** The position of the newest change that the caller can see. */
  readonly cursor: string;
}

/** Events that change neither the content of a world nor whether it exists. */
const NOTE = /^plugin_/;

/**
 * Reads what a reader has missed.
 *
 * @param name name of the collection; `""` is the whole tree
 * @param lastEventId the cursor of the last event that the reader has; null if it has none
 */
export async function readMissedChanges(
  store: Pick<Store, "changes" | "stat">,
  caller: Caller,
  name: string,
  lastEventId: string | null,
): Promise<MissedChanges> {
  const within = limitReadScope(toReadScope(caller), name);
  if (lastEventId !== null && lastEventId !== "") {
    try {
      const { events, cursor, more } = await store.changes({
        within,
        order: "oldest",
        from: lastEventId,
        limit: MAX_STREAM_REPLAY_CHANGES,
      });
      if (!more) {
        const known = new Set(events.map((event) => event.cursor));
        return { changes: toChanges(store, caller, name, events), known, cursor };
      }
    } catch (error) {
      // Unknown cursor: the reader gets the whole state.
      if (!(error instanceof StoreError) || error.code !== "gone") throw error;
    }
  }
  const { cursor } = await store.changes({ within, order: "newest", limit: 1 });
  return { known: new Set(), cursor };
}

/** Returns the last change of each world, in the order of these changes. */
function toChanges(
  store: Pick<Store, "stat">,
  caller: Caller,
  collection: string,
  events: readonly IndexedEvent[],
): StreamedChange[] {
  const prefix = collection === "" ? "" : `${collection}/`;
  const newest = new Map<string, string>();
  for (const { name, also, type, cursor } of events) {
    if (NOTE.test(type)) continue;
    for (const changed of also === undefined ? [name] : [also, name]) {
      if (!changed.startsWith(prefix) || !canRead(caller, `/${changed}`)) continue;
      newest.delete(changed);
      newest.set(changed, cursor);
    }
  }
  return [...newest].map(([name, cursor]) => {
    const entry = store.stat(name);
    return entry === undefined
      ? { kind: "delete", name, version: versionOf(events, name), cursor }
      : { kind: "update", name, version: entry.version, cursor };
  });
}

/** The last version of a world that does not exist any more. */
function versionOf(events: readonly IndexedEvent[], name: string): number {
  const last = events.findLast((event) => event.name === name || event.also === name);
  const payload: unknown = last?.payload;
  if (typeof payload !== "object" || payload === null) return 0;
  const { version, version_after }: { version?: unknown; version_after?: unknown } = payload;
  if (last?.name === name) return Number(version ?? version_after ?? 0);
  // The world moved away: its last version is the one before the move.
  return typeof version_after === "number" ? version_after - 1 : 0;
}
