/**
 * The rows of the change feed, and the steps that they and the own acknowledgments of a node are for its
 * state in memory. Types, and the conversion. Pure.
 */

import type { CommittedEvent } from "../changes.ts";
import type { World } from "../store.ts";
import type { CommittedChange } from "./queued_job.ts";

/** What an event did to its world; `note` for every event that is not the last one of a change. */
export type StepKind = "update" | "delete" | "move" | "restore" | "note";

/** A row of the feed that is about an event of a world. */
export interface FeedEventRow {
  readonly seq: number;
  /** Id of the run that numbered the row, see change_cursor.ts. */
  readonly run: string;
  readonly kind: StepKind;
  /** Name of the world after the event; of a deletion: the name that it had. */
  readonly name: string;
  /** The other name of a move. */
  readonly also?: string;
  /** Id of the world, which stays the same under other names and in the trash. */
  readonly world: number;
  /** Only that of a deletion or a restore has its payload. */
  readonly event: CommittedEvent & { readonly hmac: string };
  /** Caller of the change. */
  readonly by: string;
  /** The world after the change that the event belongs to. */
  readonly version: number;
  readonly ext: string;
  readonly state: string;
  readonly len: number;
}

/** A row of the feed that is about no event. */
export interface FeedNoticeRow {
  readonly seq: number;
  readonly run: string;
  /**
   * `mark`: a collection was marked or its mark was removed; `locks`: the WebDAV locks changed; `gone`: a
   * world was deleted whose chain gets no event, because another key signed it; `expunged`: what was left
   * of an entry in the trash was deleted for good; `authority`: the accounts or the revoked capabilities
   * have changed, or an active plugin has ended.
   */
  readonly kind: "mark" | "locks" | "gone" | "expunged" | "authority";
  /** Name of the collection or the world; a path for locks; otherwise `""`. */
  readonly name: string;
  /**
   * Of a mark: `true` or `false`. Of a world or an entry in the trash: its id. Of the authority: its number
   * in the guard.
   */
  readonly state: string;
}

/** A row of the feed. */
export type FeedRow = FeedEventRow | FeedNoticeRow;

/** The head of the chain of a world with what the catalog needs, as the start reads it. */
export interface HeadRow {
  readonly world: number;
  readonly name: string;
  readonly version: number;
  readonly ext: string;
  readonly len: number;
  readonly state: string;
  readonly updatedAt: string;
  readonly by: string;
  /** Id, HMAC and time of the newest event. The start reads only the first digits of the HMAC. */
  readonly event: number;
  readonly hmac: string;
  readonly at: string;
}

/** A step in the life of a world. */
export interface WorldStep extends HeadRow {
  readonly kind: StepKind;
  readonly also?: string;
  /** Id of its entry in the trash, after a deletion, and what it costs there in bytes, if it is known. */
  readonly trash?: string;
  readonly trashBytes?: number;
}

/** A step that this node has committed. */
export interface OwnStep extends WorldStep {
  /** Id of its first event; {@link HeadRow.event} is its last one. */
  readonly first: number;
  /** The world after the step, if its content is in memory. */
  readonly content?: World;
}

/** Returns the step of a row. Every change sets the time of its world to that of its events. */
export function toStep(row: FeedEventRow): WorldStep {
  const { kind, name, also, world, event, by, version, ext, state, len } = row;
  const trash = kind === "delete" ? trashIdOf(event.payload) : undefined;
  return {
    kind,
    name,
    ...(also === undefined ? {} : { also }),
    world,
    by,
    version,
    ext,
    state,
    len,
    updatedAt: event.timestamp,
    event: event.id,
    hmac: event.hmac,
    at: event.timestamp,
    ...(trash === undefined ? {} : { trash }),
  };
}

/**
 * Returns the steps of one job.
 *
 * @param changes the worlds that it changed
 * @param content the world of the result, if its content is in memory
 * @param trashBytes what the world that ends costs in the trash, in bytes
 */
export function toOwnSteps(
  changes: readonly CommittedChange[],
  content: World | undefined,
  trashBytes: number | undefined,
): OwnStep[] {
  return changes.flatMap(({ world, events }): OwnStep[] => {
    const [first] = events;
    const last = events.at(-1);
    if (first === undefined || last === undefined) return [];
    const { kind, name, also, by, version, ext, state, len, hmac, timestamp } = last;
    const trash = kind === "delete" ? trashIdOf(last.payload) : undefined;
    return [{
      kind,
      name,
      ...(also === undefined ? {} : { also }),
      world,
      by,
      version,
      ext,
      state,
      len,
      updatedAt: timestamp,
      event: last.id,
      first: first.id,
      hmac,
      at: timestamp,
      ...(trash === undefined ? {} : { trash }),
      ...(kind === "delete" && trashBytes !== undefined ? { trashBytes } : {}),
      ...(content === undefined || content.name !== name ? {} : { content }),
    }];
  });
}

/** A world that left the trash under its name or another one. */
export interface RestoredEntry {
  /** Id of its entry in the trash. */
  readonly id: string;
  /** The name that it had. */
  readonly name: string;
}

/** Returns what a row restored; undefined if it is about another event, or its content was deleted. */
export function restoredBy({ event, name }: FeedEventRow): RestoredEntry | undefined {
  if (event.type !== "world_restored") return undefined;
  const { from } = JSON.parse(event.payload) as { readonly from?: unknown };
  const id = trashIdOf(event.payload);
  if (id === undefined) return undefined;
  return { id, name: typeof from === "string" ? from.slice(1) : name };
}

/** Reads the id in the trash from the payload of a `world_deleted` or `world_restored` event. */
function trashIdOf(payload: string): string | undefined {
  const { trash } = JSON.parse(payload) as { readonly trash?: unknown };
  return typeof trash === "string" ? trash : undefined;
}
