/**
 * The store as everyone above it sees it: a few verbs over named worlds, and nothing of HTTP or SQL.
 * Any engine that keeps these promises can stand behind it, and the same suite tests them all.
 * Nobody may reach a world's bytes on disk except through a `Store`.
 */

/** `X-Meta-*` pairs as stored: lower-cased names, in the order they were sent. */
export type Meta = readonly (readonly [name: string, value: string])[];

/** One version of a world, whole. */
export interface World {
  /** Canonical name, `home/findings/x`. */
  readonly name: string;
  /** 1 on creation, one more with every change; 0 for a world of the read-only lower layer. */
  readonly version: number;
  /** File extension without a dot; decides the media type. */
  readonly ext: string;
  readonly meta: Meta;
  /** `""` for ordinary worlds; `pending`, `active` or `disabled` for plugin sources. */
  readonly state: string;
  /** RFC 3339 time in UTC with milliseconds. */
  readonly updatedAt: string;
  readonly body: Uint8Array<ArrayBuffer>;
  /** Lower-case hex SHA-256 of `body`. */
  readonly sha256: string;
  /** `lower` when it is read from the machine's birth worlds and nothing covers it. */
  readonly layer: "upper" | "lower";
}

/** What a listing knows of a world without opening it. */
export interface WorldEntry {
  readonly name: string;
  readonly version: number;
  readonly ext: string;
  /** Body length in bytes. */
  readonly len: number;
  readonly state: string;
  readonly updatedAt: string;
  readonly layer: "upper" | "lower";
}

/** One line of a listing: a world, a collection, or both. */
export interface Child {
  /** Last segment of the path. */
  readonly name: string;
  /** True when worlds (or a collection marker) lie below it. */
  readonly dir: boolean;
  /** The world of exactly this name, if there is one. */
  readonly entry?: WorldEntry;
}

/** A version a caller claims to have seen: its number and the start of its body's SHA-256. */
export interface VersionTag {
  readonly version: number;
  /** Absent in the short form that names the version alone. */
  readonly sha256?: string;
}

/** Checked in the same transaction as the change (RFC 9110 §13.1). `*` is any current version. */
export interface Precondition {
  readonly match?: "*" | readonly VersionTag[];
  readonly noneMatch?: "*" | readonly VersionTag[];
  /** If-Unmodified-Since as Unix milliseconds. */
  readonly unmodifiedSince?: number;
}

/** What every change names. */
interface ChangeBase {
  readonly name: string;
  /** Who made it, as the event records it. */
  readonly by: string;
  readonly precondition?: Precondition;
}

/** Replaces a world. */
export interface Put extends ChangeBase {
  readonly body: Uint8Array<ArrayBuffer>;
  readonly ext: string;
  readonly meta: Meta;
  /** The state after the write; plugin sources sink to `pending`. */
  readonly state?: string;
  /** More facts for the event's payload, such as the version a world was brought back from. */
  readonly facts?: Readonly<Record<string, unknown>>;
}

/** Adds bytes at a world's end; creates it when absent. Metadata and extension stay. */
export interface Append extends ChangeBase {
  readonly body: Uint8Array<ArrayBuffer>;
  /** The extension if the append creates the world. */
  readonly ext: string;
  readonly state?: string;
}

/** Changes a world's state without touching its bytes. */
export interface Transition extends ChangeBase {
  readonly to: string;
  readonly reason?: string;
  readonly facts?: Readonly<Record<string, unknown>>;
}

/** Puts one more event on a world's chain without changing the world. */
export interface EventNote extends ChangeBase {
  readonly type: string;
  readonly payload: Readonly<Record<string, unknown>>;
}

/** Takes a world away; its file goes to the trash. */
export type Removal = ChangeBase;

/** Gives a world another name; bytes, metadata, earlier versions and the chain go with it. */
export interface Rename extends ChangeBase {
  /** The new name, where nothing may be. */
  readonly to: string;
  /** The extension it has from then on. */
  readonly ext: string;
}

/** What a change answers once it is on disk. */
export interface ChangeResult {
  readonly version: number;
  readonly ext: string;
  readonly sha256: string;
  readonly state: string;
  readonly updatedAt: string;
  /** True when no world, upper or lower, had this name before. */
  readonly created: boolean;
}

/** One event of a chain, as `/proc/log` shows it. */
export interface ChainEvent {
  readonly id: number;
  readonly timestamp: string;
  readonly type: string;
  readonly payload: unknown;
  readonly hmac: string;
  readonly prev_hmac: string;
}

/** The verdict of the two independent checks of a world's receipt. */
export interface AuditResult {
  readonly name: string;
  /** Both checks hold. */
  readonly ok: boolean;
  readonly events: number;
  readonly version: number;
  readonly chain: {
    readonly ok: boolean;
    /** Id of the first event that does not hold. */
    readonly broken_at?: number;
    readonly reason?: string;
  };
  readonly body: {
    readonly ok: boolean;
    readonly sha256: string;
    readonly expected?: string;
    readonly reason?: string;
  };
}

/** A world's file as somebody else may have it: one state, whole, that needs no log beside it. */
export interface Snapshot {
  readonly version: number;
  /** Length of the body in bytes. */
  readonly length: number;
  /** SQLite's file format. A stream is to be read or cancelled. */
  readonly body: Uint8Array<ArrayBuffer> | ReadableStream<Uint8Array<ArrayBuffer>>;
}

/** Told to watchers after the change is on disk, in order per world. */
export type Change = {
  readonly kind: "update" | "delete";
  readonly name: string;
  readonly version: number;
  /** One more with every change of the machine since its start. */
  readonly seq: number;
  readonly by: string;
  /** The new version when it is in memory; read it from the store when it is not. */
  readonly world?: World;
};

/** Why a store call did not do what it was asked; the world is as it was before. */
export type StoreErrorCode =
  | "precondition" // what the caller claimed to have seen is not current
  | "absent" // no such world, or no such version ever
  | "gone" // that version was let go by the history bound
  | "too-large" // the world would outgrow its cap
  | "lower" // the world belongs to the read-only lower layer
  | "full" // no space left on the device
  | "damaged" // the world's file cannot be read or written
  | "busy" // too much of this kind is under way; later it will do
  | "closed"; // the store is shutting down

/** Thrown by every `Store` verb that cannot keep its promise. */
export class StoreError extends Error {
  override readonly name = "StoreError";
  constructor(readonly code: StoreErrorCode, message: string, readonly world?: string) {
    super(message);
  }
}

/**
 * The state that a write leaves a world in: a plugin source waits for approval, other worlds have none.
 *
 * @param name canonical name, `lib/gpu`
 */
export function initialState(name: string): string {
  return name.startsWith("lib/") ? "pending" : "";
}

/** See {@link Store.counts}. */
export interface StoreCounts {
  /** Worlds found in memory, and bytes held there now. */
  readonly cacheHits: number;
  readonly cacheBytes: number;
  /** Worlds read from disk. */
  readonly diskReads: number;
  /** Events put on a chain that are no change of its world. */
  readonly notes: number;
}

/**
 * The verbs. Every promise that changes something resolves only when the change and its event are
 * on disk in one transaction, and rejects with a `StoreError` when nothing changed.
 */
export interface Store {
  /** The world if it is in memory now; never waits, so absence says nothing. */
  peek(name: string): World | undefined;
  /** The current version, upper before lower; `undefined` when there is none. */
  read(name: string): Promise<World | undefined>;
  /** An earlier version. Throws `absent` or `gone`. */
  readAt(name: string, version: number): Promise<World>;
  put(change: Put): Promise<ChangeResult>;
  append(change: Append): Promise<ChangeResult>;
  transition(change: Transition): Promise<ChangeResult>;
  note(change: EventNote): Promise<void>;
  /** Moves the upper world to the trash. Throws `absent`, or `lower` when nothing covers it. */
  remove(change: Removal): Promise<{ readonly version: number }>;
  /**
   * Moves the upper world to a name where nothing is, as its next version with the same bytes; its
   * state stays. Throws `absent`, `lower` when nothing covers it, `precondition` when something is
   * at the new name.
   */
  rename(change: Rename): Promise<ChangeResult>;
  /** What is known of a world without opening it; `undefined` when there is none. */
  stat(name: string): WorldEntry | undefined;
  /** Whether worlds or a collection marker lie below `name`. `""` is the root. */
  isCollection(name: string): boolean;
  /**
   * RFC 3339 time of the newest write at or below a collection, as far as it is known; `undefined`
   * where nothing is. Deletions are not counted.
   */
  changedAt(name: string): string | undefined;
  /** The children of a collection, sorted by name; empty when there is none. */
  list(name: string): Promise<readonly Child[]>;
  /** Every world at or below a collection, sorted; `""` is all. */
  walk(name: string): Promise<readonly WorldEntry[]>;
  /** Number of worlds, upper and uncovered lower together. */
  count(): number;
  /** Marks or unmarks an empty collection (WebDAV MKCOL). Idempotent. */
  markCollection(name: string, present: boolean): Promise<void>;
  /**
   * Calls `listener` after each change of `name`, or of everything below it when `name` ends in `/`
   * (`/` alone is everything). Returns the function that ends it.
   */
  watch(name: string, listener: (change: Change) => void): () => void;
  audit(name: string): Promise<AuditResult>;
  /** Events newest first, those with id below `before`. */
  log(name: string, page: { before?: number; limit: number }): Promise<readonly ChainEvent[]>;
  /**
   * A copy of an upper world with its chain and the versions that can still be read, while writers
   * go on. Throws `absent` for what is not on disk, and `busy` when too many long ones are under way.
   *
   * @param key signs the copy's chain anew as far as it holds under the machine's own key; an event
   * that does not hold stays as it is, and so do all after it
   */
  snapshot(name: string, key?: string): Promise<Snapshot>;
  /** Sequence number of the newest change since start. */
  readonly seq: number;
  /** What it has done since its start, in numbers. */
  readonly counts: StoreCounts;
  /** Waits for what was accepted, closes every file, and releases the data folder. */
  close(): Promise<void>;
}
