/**
 * The changes that the reader of a collection stream has missed, read from the one order of all
 * changes. It contains only worlds that the caller can read. When it returns, memory is at least as new
 * as what was read, so that the state of a world that the reader gets is never older.
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
  store: Pick<Store, "changes" | "isShared" | "refresh" | "stat">,
  caller: Caller,
  name: string,
  lastEventId: string | null,
): Promise<MissedChanges> {
  const within = limitReadScope(toReadScope(caller), name);
  if (lastEventId !== null && lastEventId !== "") {
    try {
      const { events: found, cursor, more } = await store.changes({
        within,
        order: "oldest",
        from: lastEventId,
        isInclusive: true,
        limit: MAX_STREAM_REPLAY_CHANGES + 1,
      });
      if (!more) {
        await followUpTo(store);
        const events = found.filter((event, at) =>
          // The reader can have one of the two changes of a move, which have one cursor.
          event.cursor !== lastEventId || changedBy(caller, event, found[at + 1]).length > 1
        );
        const known = new Set(events.map((event) => event.cursor));
        return { changes: toChanges(store, caller, name, events), known, cursor };
      }
    } catch (error) {
      // Unknown cursor: the reader gets the whole state.
      if (!(error instanceof StoreError) || error.code !== "gone") throw error;
    }
  }
  const { cursor } = await store.changes({ within, order: "newest", limit: 1 });
  await followUpTo(store);
  return { known: new Set(), cursor };
}

/**
 * Makes memory at least as new as the changes that were read: on a shared store they can be changes of
 * other servers that memory follows a moment later.
 */
async function followUpTo(store: Pick<Store, "isShared" | "refresh">): Promise<void> {
  if (store.isShared) await store.refresh();
}

/** Returns the last change of each world, in the order of these changes. */
function toChanges(
  store: Pick<Store, "stat">,
  caller: Caller,
  collection: string,
  events: readonly IndexedEvent[],
): StreamedChange[] {
  const prefix = collection === "" ? "" : `${collection}/`;
  const newest = new Map<string, IndexedEvent>();
  for (const [at, event] of events.entries()) {
    if (NOTE.test(event.type)) continue;
    for (const changed of changedBy(caller, event, events[at + 1])) {
      if (!changed.startsWith(prefix) || !canRead(caller, `/${changed}`)) continue;
      newest.delete(changed);
      newest.set(changed, event);
    }
  }
  return [...newest].map(([name, event]) => {
    const kind = store.stat(name) === undefined ? "delete" : "update";
    // The store can have later versions, whose changes follow.
    return { kind, name, version: versionOf(event, name), cursor: event.cursor };
  });
}

/**
 * The names of the worlds that an event changed. A move has an event at its new name. If it replaced a
 * world, a second event at its old name is only about that name. A restore under another name changes
 * only the new one.
 *
 * @param next the event that follows
 */
function changedBy(caller: Caller, event: IndexedEvent, next: IndexedEvent | undefined): string[] {
  const { name, also, id } = event;
  if (also === undefined) return [name];
  const { from_version, op } = fieldsOf(event);
  if (from_version !== undefined) return [also, name];
  // Moves did not record the version before, and the event of a restore follows: is it visible?
  const isRestore = next?.type === "world_restored" && next.name === name && next.id === id + 1;
  const isMove = op === "move" && !isRestore && canRead(caller, `/${name}`);
  return isMove ? [also, name] : [name];
}

/** The last version of a world after an event; 0 if the event has none. */
function versionOf(event: IndexedEvent, name: string): number {
  const { version, version_after, from_version } = fieldsOf(event);
  if (event.name === name) return Number(version ?? version_after ?? 0);
  // The world moved away from this name. At the new name, earlier worlds can have had higher versions.
  return Number(from_version ?? Number(version_after) - 1);
}

function fieldsOf({ payload }: IndexedEvent): {
  readonly op?: unknown;
  readonly version?: unknown;
  readonly version_after?: unknown;
  readonly from_version?: unknown;
} {
  return typeof payload === "object" && payload !== null ? payload : {};
}
