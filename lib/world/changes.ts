/**
 * The changes of all worlds in one order: what the change index records, and how it is queried. Types,
 * which the store, its Workers and the routes share, and the id of a chain.
 */

/** One event of a chain, with its place in the order of all changes. */
export interface IndexedEvent {
  readonly cursor: string;
  /** Name of the world in whose chain the event is. */
  readonly name: string;
  /** The other name of a move. */
  readonly also?: string;
  /** Id of the event in its chain. */
  readonly id: number;
  /** RFC 3339 time in UTC with milliseconds. */
  readonly timestamp: string;
  readonly type: string;
  readonly payload: unknown;
}

/** An event of a change with an idempotency key. */
export type KeyedEvent = Omit<IndexedEvent, "cursor" | "also">;

/** A part of the tree that a query covers. */
export interface Within {
  /** Name of a world or collection without a trailing slash; `""` is the whole tree. */
  readonly name: string;
  /** `exact` covers the world only, `below` the worlds below it only, `tree` both. */
  readonly part: "exact" | "below" | "tree";
  /** Whether worlds that only T3 can read are covered. */
  readonly restricted: boolean;
}

/** A query of the change index. */
export interface ChangeQuery {
  /** What is covered: the events of every part, each event once. */
  readonly within: readonly Within[];
  readonly order: "oldest" | "newest";
  /** Begin after this position, in the direction of the order; absent begins at the end of the order. */
  readonly from?: string;
  /** Whether an `oldest` page begins with the event at `from`, not after it. */
  readonly isInclusive?: true;
  /** Maximum number of events, at least 1. */
  readonly limit: number;
  /** Only events of this caller, as `by` shows it; with `/*` at the end also of narrowed ones. */
  readonly by?: string;
  /** Only events of this time or later: RFC 3339 in UTC with milliseconds. */
  readonly since?: string;
  /**
   * Steps after which the page ends, even if it is not full; absent for no limit. A step is at most
   * `CHANGE_SCAN_STEP` changes.
   */
  readonly maxSteps?: number;
}

/** A page of the change index. */
export interface ChangePage {
  readonly events: readonly IndexedEvent[];
  /** The position to continue from, also if no event was found. */
  readonly cursor: string;
  /** Whether further events may follow. */
  readonly more: boolean;
}

/** An event as it is in the chain, for the change index. */
export interface CommittedEvent {
  readonly id: number;
  readonly timestamp: string;
  readonly type: string;
  /** JSON text. */
  readonly payload: string;
  /** HMAC of the event; absent if it is not known. That of the first event identifies its chain. */
  readonly hmac?: string;
  /** Id of the chain ({@link toChainId}); present for the first event after a restore from the trash. */
  readonly chain?: string;
}

/** Events of one chain, oldest first, in the order in which the store published them. */
export interface IndexEntry {
  readonly name: string;
  /** Whether only T3 can read the world. */
  readonly restricted: boolean;
  /** Whether only T3 can read the other name of a move. */
  readonly alsoRestricted?: boolean;
  readonly events: readonly CommittedEvent[];
  /**
   * Id of the chain ({@link toChainId}), if the events were read from it; then they follow the events of
   * the chain that are indexed.
   */
  readonly chain?: string;
  /** Whether the name has no world after the events. */
  readonly ended?: boolean;
  /** The caller, if it is known; otherwise it is read from the payloads. */
  readonly by?: string;
}

/** The newest event of a chain. */
export interface ChainHead {
  readonly name: string;
  /** Id and time of the newest event. */
  readonly event: number;
  readonly at: string;
}

/** What the index knows about the chain of a name. */
export interface IndexedHead {
  /** Id of the chain ({@link toChainId}). */
  readonly chain: string;
  /** Id and time of the newest indexed event. */
  readonly event: number;
  readonly at: string;
  /** HMAC of that event; `""` if it is not known. */
  readonly hmac: string;
  /** Whether the name has no world. */
  readonly ended: boolean;
}

/** What the index knows about a chain under one of its names. */
export interface NamedHead extends IndexedHead {
  readonly name: string;
}

/** An event with the name that its world had then. */
export interface NamedEvent extends CommittedEvent {
  readonly name: string;
}

/**
 * Result of an append for each entry: the number of its last event in the order of all changes, 0 if the
 * index had all of them before, {@link GAP} if events of the chain before the entry are not indexed.
 */
export type AppendResult = number;

/** See {@link AppendResult}. */
export const GAP = -1;

/** Events that were read from a chain, oldest first. */
export interface ChainEvents {
  /** Id of the chain ({@link toChainId}). */
  readonly chain: string;
  /** The events by the name that the world had then. The last part has the current name. */
  readonly parts: readonly { readonly name: string; readonly events: readonly CommittedEvent[] }[];
  /** Whether further events follow. */
  readonly more: boolean;
  /** Present if the world is deleted. */
  readonly ended?: true;
}

/**
 * Returns the id of a chain in the index. The HMAC does not identify it: in older data, one
 * caller can have written the same bytes to two new worlds in the same millisecond.
 *
 * @param hmac HMAC of its first event
 * @param origin name of the world at its first event
 */
export function toChainId(hmac: string, origin: string): string {
  return `${hmac} ${origin}`;
}
