/**
 * The record of a run: every call of every client, what the followers received, and what is stored at the
 * end. Pure data; `load.ts` and `final_state.ts` fill it over HTTP, `checker.ts` and
 * `follower_checks.ts` judge it.
 *
 * All times are milliseconds of one clock. Texts that clients send are unique in a run, so that a text
 * names its writer.
 */

/** What a call does: `append` adds its text at the end of a world, `prepend` at the start (PATCH). */
export type CallKind = "put" | "append" | "prepend" | "delete" | "move" | "read";

/** One call of one client, with all its repetitions. */
export interface Call {
  /** Names the call in messages. */
  readonly id: string;
  readonly kind: CallKind;
  readonly world: string;
  /** New name of a moved world. */
  readonly to?: string;
  /** The node that answered. */
  readonly node: number;
  readonly began: number;
  readonly ended: number;
  /**
   * `ok`: answered with success. `refused`: answered that nothing was changed, or that the world does
   * not exist. `unknown`: no answer, or one that says that the outcome is unknown.
   */
  readonly outcome: "ok" | "refused" | "unknown";
  /** Status of a refusal. Only 404 and 412 say something about the world. */
  readonly status?: number;
  /** The text that was sent, or that a read returned. */
  readonly text?: string;
  /** The version that a write made or a read returned. */
  readonly version?: number;
  /**
   * Version in `If-Match`; `absent` is `If-None-Match: *`, and `Overwrite: F` of a move, which is about
   * the new name.
   */
  readonly condition?: number | "absent";
  /** Whether a read must be linearizable (`Cache-Control: no-cache`). */
  readonly fresh?: boolean;
  /** A read must show this version or a later one (`Elastik-At`). */
  readonly atLeast?: number;
  /** Id of a deleted world in the trash. */
  readonly trash?: string;
  /** The lock whose token was sent. */
  readonly lock?: string;
}

/** A WebDAV lock that was granted, and used for a write that succeeded. */
export interface LockSpan {
  readonly id: string;
  readonly world: string;
  /** When LOCK was answered. */
  readonly from: number;
  /** Version of the last write with its token. */
  readonly through: number;
}

/** An event of a stream of one world. */
export interface StreamEvent {
  readonly kind: "update" | "delete";
  readonly version: number;
  readonly text?: string;
  /** Whether it is the first one of a connection that was opened without `Last-Event-ID`. */
  readonly isFirst?: boolean;
}

/** What one reader of the stream of a world received, over all its connections. */
export interface StreamRecord {
  readonly reader: string;
  readonly world: string;
  readonly events: readonly StreamEvent[];
}

/** What one reader of the stream of a collection received, over all its connections. */
export interface CollectionRecord {
  readonly reader: string;
  /** Prefix of the names, with a slash at the end. */
  readonly prefix: string;
  /** Updates and deletions in their order; listings are not in it. */
  readonly events: readonly (StreamEvent & { readonly world: string })[];
  /** Version of each world after the last event, from listings and events. */
  readonly worlds: ReadonlyMap<string, number>;
}

/** An event of `/proc/changes`. */
export interface ChangeRow {
  readonly cursor: string;
  readonly name: string;
  readonly id: number;
  readonly type: string;
  readonly payload: Readonly<Record<string, unknown>>;
}

/** All events that one follower of `/proc/changes` received. */
export interface ChangesRecord {
  readonly follower: string;
  readonly prefix: string;
  readonly rows: readonly ChangeRow[];
}

/** Everything that was recorded during a run. */
export interface History {
  readonly calls: readonly Call[];
  readonly locks: readonly LockSpan[];
  readonly streams: readonly StreamRecord[];
  readonly collections: readonly CollectionRecord[];
  readonly changes: readonly ChangesRecord[];
}

/** A step in the life of a name: a new version, or the end of the world that had the name. */
export interface Entry {
  readonly kind: "put" | "append" | "prepend" | "move" | "delete" | "other";
  /** The version that it made; of a deletion the last version before it. */
  readonly version: number;
  /** SHA-256 of the content afterwards; absent for a deletion. */
  readonly sha256?: string;
  /** SHA-256 of the text that an append added. */
  readonly piece?: string;
  /** The content as `?at=` returns it, if it is still kept. */
  readonly text?: string;
  /** The world and the version that a move took. */
  readonly source?: { readonly world: string; readonly version: number };
  /** Name that the world moved to; only for a deletion. */
  readonly movedTo?: string;
  /** Id of the deleted world in the trash. */
  readonly trash?: string;
  /** The chain that has its event. A name that was used again has several chains. */
  readonly chain?: number;
}

/** What is stored at the end of a run. */
export interface FinalState {
  /** The life of each name, from the event chains, in order. */
  readonly timelines: ReadonlyMap<string, readonly Entry[]>;
  /** Chains that do not verify, and contents that do not fit their chain. */
  readonly faults: readonly { readonly world: string; readonly text: string }[];
}

/**
 * The rules. `a` to `f` are about acknowledged calls, see `checker.ts`.
 * `refusal`: a 404 or 412 was right at some moment of its call.
 * `plain`: reads without `no-cache`. `lock`: writes next to a WebDAV lock.
 * `stream`, `collection`, `changes`: what followers received.
 */
export type Rule =
  | "a"
  | "b"
  | "c"
  | "d"
  | "e"
  | "f"
  | "refusal"
  | "plain"
  | "lock"
  | "stream"
  | "collection"
  | "changes";

/** A rule that a history breaks. */
export interface Violation {
  readonly rule: Rule;
  readonly world: string;
  readonly text: string;
}

/** Takes a violation. */
export type Report = (rule: Rule, world: string, text: string) => void;
