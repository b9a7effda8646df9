/**
 * The interface of the store: read, change, list and watch named worlds.
 *
 * A world is a named document: bytes, a version, an extension, metadata, a state, a signed log of
 * its changes (the event chain, see event_chain.ts) and a bounded number of earlier versions. The
 * store writes each change and its event in one transaction and then notifies watchers. It shows
 * two layers as one: a world in the data folder (upper layer) covers the read-only world of the
 * same name that ships with the program (lower layer). An index in memory, the catalog, answers
 * listings.
 *
 * Nothing here depends on HTTP or SQL. The tests in tests/world/engine_suites.ts apply to every
 * implementation. A running server must never access worlds except through a `Store`.
 */

import type { ChangePage, ChangeQuery, KeyedEvent, Within } from "./changes.ts";
import type { SearchPage, SearchQuery } from "./search.ts";
import type { Coordination } from "./coordination.ts";
import type { Edit } from "./edit_format.ts";
import type { AttachedWrite, MadeCollection, MarkResult, QuotaState } from "./quota.ts";
import type { LockRecords } from "./lock_records.ts";
import type { StoreCounts } from "./store_counts.ts";
import type { StoreHealth } from "./store_health.ts";
import type { TrashEntry, TrashPage, TrashQuery } from "./trash.ts";

/** `X-Meta-*` pairs as stored: names in lower case, sorted by name. */
export type Meta = readonly (readonly [name: string, value: string])[];

/** One version of a world with its bytes. */
export interface World {
  /** Canonical name, `home/findings/x`. */
  readonly name: string;
  /**
   * 1 after the first creation, more after each change; 0 for a lower-layer world. A name never
   * uses a version twice: a new world continues after the last version of a deleted one.
   */
  readonly version: number;
  /** File extension without a dot; determines the media type. */
  readonly ext: string;
  readonly meta: Meta;
  /** `""` for ordinary worlds; `pending`, `active` or `disabled` for plugin sources. */
  readonly state: string;
  /** RFC 3339 time in UTC with milliseconds. */
  readonly updatedAt: string;
  readonly body: Uint8Array<ArrayBuffer>;
  /** SHA-256 of `body` as 64 lower-case hexadecimal digits. */
  readonly sha256: string;
  /** `lower` for a lower-layer world that no upper-layer world covers. */
  readonly layer: "upper" | "lower";
}

/** What the catalog has about a world, available without opening its file. */
export interface WorldEntry {
  readonly name: string;
  readonly version: number;
  readonly ext: string;
  /** Body length in bytes. */
  readonly len: number;
  readonly state: string;
  readonly updatedAt: string;
  readonly layer: "upper" | "lower";
  /** The caller of the last change, as its event names it; `""` in the lower layer. */
  readonly by: string;
  /** Id and time of the newest event of the chain; 0 and `""` in the lower layer. */
  readonly head: number;
  readonly headAt: string;
}

/** One row of a listing: a world, a collection, or both. */
export interface Child {
  /** Last segment of the path. */
  readonly name: string;
  /** Whether it is a collection: it has worlds below it or is marked as one. */
  readonly dir: boolean;
  /** The world with exactly this name, if it exists. */
  readonly entry?: WorldEntry;
}

/** A part of a list. */
export interface ListPage {
  /** The name after which it begins; `""` begins with the first. */
  readonly after: string;
  /** Maximum length, at least 1; a shorter part is the last. */
  readonly limit: number;
}

/** A version that a caller names in a precondition: its number and a prefix of its SHA-256. */
export interface VersionTag {
  readonly version: number;
  /** Absent in the short form of an entity tag, which has the version only. */
  readonly sha256?: string;
}

/**
 * Condition of a change, checked in the same transaction (RFC 9110 §13.1). `*` means any current
 * version.
 */
export interface Precondition {
  readonly match?: "*" | readonly VersionTag[];
  readonly noneMatch?: "*" | readonly VersionTag[];
  /** If-Unmodified-Since as Unix milliseconds. */
  readonly unmodifiedSince?: number;
}

/**
 * Fields of every change. A shared store also takes `currentWriteChecks()` when it gets the change and runs
 * them right before it sends the change to the database; the change fails with what they throw.
 */
interface ChangeBase {
  readonly name: string;
  /** The caller, as recorded in the event, such as `T2` or `cap:/home/x`. */
  readonly by: string;
  readonly precondition?: Precondition;
  /**
   * The mark of a request with an idempotency key, for the event; see idempotency_mark.ts. If a try of
   * the request can be under way elsewhere, the change fails with `repeated` as soon as the world has an
   * event with this key that is younger than `IDEMPOTENCY_MS`.
   */
  readonly idem?: string;
  /** Longest content that the change may leave, in bytes; else it fails with `over-limit`. */
  readonly maxBytes?: number;
}

/** Replaces a world, or creates it. */
export interface Put extends ChangeBase, AttachedWrite {
  readonly body: Uint8Array<ArrayBuffer>;
  readonly ext: string;
  /** Whether `ext` is a guess, and the world that is replaced can keep its own; see `keepTextExt`. */
  readonly isExtGuess?: boolean;
  readonly meta: Meta;
  /** The state after the write; `pending` for plugin sources. */
  readonly state?: string;
  /** More fields for the event's payload, such as the version that was restored. */
  readonly eventFields?: Readonly<Record<string, unknown>>;
}

/**
 * Adds bytes at the end of a world; creates the world if it does not exist. Metadata and extension
 * do not change.
 */
export interface Append extends ChangeBase {
  readonly body: Uint8Array<ArrayBuffer>;
  /** The extension, if the append creates the world. */
  readonly ext: string;
  readonly state?: string;
}

/**
 * Edits a part of a world; the extension stays. The edit applies to the version that is current in the
 * transaction. One that changes nothing makes no version and no event.
 */
export interface Patch extends ChangeBase {
  readonly edit: Edit;
  /** Replace the pairs of the same names; a pair with an empty value removes its name. */
  readonly meta: Meta;
  readonly state?: string;
}

/** Changes a world's state; bytes and version do not change. */
export interface Transition extends ChangeBase {
  readonly to: string;
  readonly reason?: string;
  readonly eventFields?: Readonly<Record<string, unknown>>;
  /**
   * What the world claims as long as it has the new state, such as the routes of a plugin: absolute
   * paths, and `fallback`. A shared store makes the claims in the same transaction and fails with
   * `claimed` if another world has the same claim, a path above it or one below it. Every later change of
   * state, and the end of the world, ends them. A store that is not shared can ignore them, because its
   * one server has all claims in memory.
   */
  readonly claims?: readonly string[];
}

/** Appends an event to a world's chain without changing the world. */
export interface EventNote extends ChangeBase {
  readonly type: string;
  readonly payload: Readonly<Record<string, unknown>>;
}

/** Deletes a world; its file is moved to the trash. */
export type Removal = ChangeBase;

/**
 * Renames a world; it keeps its bytes and metadata, and its earlier versions and event chain unless
 * it replaces a world or `contentOnly` is set.
 */
export interface Rename extends ChangeBase {
  /** The new name. */
  readonly to: string;
  /** The extension after the rename. */
  readonly ext: string;
  /**
   * Whether an existing world at the new name is replaced: the bytes become its next version. If
   * false, no world may have the new name.
   */
  readonly replace?: boolean;
  /**
   * Whether chain and history stay with the old name, whose world then moves to the trash. The new
   * name gets bytes, extension and metadata.
   */
  readonly contentOnly?: boolean;
  /** The state after the rename if the new name gets the bytes only. */
  readonly state?: string;
}

/** Restores a deleted world. */
export interface Restore {
  /** Name that the world gets; no world has it. */
  readonly name: string;
  /** Id in the trash, and name of the world there. */
  readonly trash: string;
  readonly from: string;
  readonly by: string;
  /** The extension afterwards. */
  readonly ext: string;
  /** The state afterwards. */
  readonly state: string;
  readonly precondition?: Precondition;
  /** The mark of a request with an idempotency key. */
  readonly idem?: string;
  readonly maxBytes?: number;
}

/** Result of a removal that is on disk. */
export interface RemovalResult {
  /** The version that was current. */
  readonly version: number;
  /** Id of the entry in the trash, unique and safe in URLs. */
  readonly trash: string;
}

/** Result of a change that is on disk. */
export interface ChangeResult {
  readonly version: number;
  readonly ext: string;
  readonly sha256: string;
  readonly state: string;
  readonly updatedAt: string;
  /** Whether no world of either layer had this name before. */
  readonly created: boolean;
}

/** One event of a chain, as `/proc/log` returns it. */
export interface ChainEvent {
  readonly id: number;
  readonly timestamp: string;
  readonly type: string;
  readonly payload: unknown;
  readonly hmac: string;
  readonly prev_hmac: string;
}

/** Result of an audit: two independent checks, of the event chain and of the current row. */
export interface AuditResult {
  readonly name: string;
  /** Whether both checks passed. */
  readonly ok: boolean;
  readonly events: number;
  readonly version: number;
  /**
   * Whether the chain names its world, so that a folder that was renamed outside the server does not
   * pass. False for a chain that began before first events recorded the name.
   */
  readonly named: boolean;
  readonly chain: {
    readonly ok: boolean;
    /** Id of the first event that is not valid. */
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

/** A copy of a world's file: one consistent state in one file, without a write-ahead log. */
export interface Snapshot {
  readonly version: number;
  /** Paths of the worlds that its events name; its own path can be among them. */
  readonly named: readonly string[];
  /** Length of the body in bytes. */
  readonly length: number;
  /** The file in SQLite's format. The receiver must read a stream to its end or cancel it. */
  readonly body: Uint8Array<ArrayBuffer> | ReadableStream<Uint8Array<ArrayBuffer>>;
}

/** A notification, sent to watchers after the change is on disk, in order for each world. */
export type Change = {
  readonly kind: "update" | "delete";
  readonly name: string;
  readonly version: number;
  /** Number of changes in this store since its start, this one included. */
  readonly seq: number;
  readonly by: string;
  /** The new version, if it is in memory; otherwise read it from the store. */
  readonly world?: World;
  /** Others may precede it that were not told, as after a loss; `by` can be of an earlier change. */
  readonly isAfterGap?: true;
};

/** What followers get when events of a world have their place in the order of all changes. */
export interface Published {
  readonly name: string;
  /** Cursor of the newest change; it is on disk. */
  readonly cursor: string;
  /** The change, if the events changed the world. */
  readonly change?: Change | undefined;
}

/** Why a call of the store failed; the world has not changed, except perhaps with `unknown`. */
export type StoreErrorCode =
  | "precondition" // the precondition does not hold for the current version
  | "absent" // the world does not exist, or never had this version
  | "gone" // the version is no longer kept
  | "invalid" // the world must not have this content
  | "malformed" // the edit has no valid form
  | "conflict" // the edit does not apply to the current version
  | "too-large" // the world would exceed its maximum size, or a whole quota
  | "over-limit" // the change would leave more than its `maxBytes`
  | "quota" // a quota does not have the space
  | "lower" // the world is in the read-only lower layer
  | "full" // the disk is full
  | "damaged" // the file of the world cannot be read or written
  | "other-key" // another key signed the event chain of the world
  | "busy" // too many operations of this kind are running; a later call can succeed
  | "in-use" // another process has locked the file of the world; a later call can succeed
  | "read-only" // the file of the world or the disk is read-only
  | "index-lost" // the file of the change index is damaged or gone; the store creates it again
  | "claimed" // another world has a claim of the change; the message names both
  | "repeated" // the world has an event with the key of `idem` already; see `Store.keyed`
  | "unreachable" // the database cannot be reached; a later call can succeed
  | "unknown" // the database did not confirm the change in time; it may have happened, or may yet
  | "unusable" // the database has another key or was restored; the store must be closed
  | "detached" // the data folder was moved or replaced; the store must be closed
  | "closed"; // the store is shutting down

/** Error of every failed `Store` call; callers compare `code`. */
export class StoreError extends Error {
  override readonly name = "StoreError";
  constructor(
    readonly code: StoreErrorCode,
    message: string,
    readonly world?: string,
    /** Bytes that the change needs; present with `over-limit`. */
    readonly bytes?: number,
  ) {
    super(message);
  }
}

/**
 * Returns the state of a world after a write: `pending` for plugin sources, which wait for approval.
 *
 * @param name canonical name, such as `lib/gpu`
 */
export function initialState(name: string): string {
  return name.startsWith("lib/") ? "pending" : "";
}

/** The caller of a long job, such as an audit or a copy. */
export interface JobCaller {
  /** Key under which the limits count the jobs of a client; absent for the server itself. */
  readonly client?: string;
  /** Aborted when the caller no longer waits. A job without callers stops. */
  readonly signal?: AbortSignal;
}

/** How a world is read. */
export interface ReadOptions {
  /** Whether everything is seen that was acknowledged before, by any server; see `Store.refresh`. */
  readonly fresh?: boolean;
}

/**
 * Operations on worlds. A promise of a change resolves after the change and its event are on disk,
 * in one transaction. It rejects with a `StoreError` if nothing was changed, or with the code `unknown`.
 */
export interface Store {
  /**
   * Whether other servers change the same worlds. Otherwise memory is always current, so that nothing
   * needs `readable`, `refresh` and `reached`.
   */
  readonly isShared: boolean;
  /** The WebDAV locks of all servers; absent if the store is not shared. */
  readonly locks?: LockRecords;
  /** Agreement with the other servers that change the same worlds. */
  readonly coordination: Coordination;
  /**
   * Whether memory follows the changes of other servers. While it does not, a server must answer no
   * request from it: worlds, accounts and grants could be too old. A shared store compares its clocks at
   * each look, because the process can have been stopped for any time.
   */
  readonly readable: boolean;
  /**
   * Resolves when everything that was acknowledged before the call, by any server, is seen by all
   * operations, those on memory and listings included.
   *
   * @throws {StoreError} `unreachable`
   */
  refresh(): Promise<void>;
  /**
   * A position that covers everything that this server has acknowledged so far, for `reached` of any
   * server: a UUID in lower case. Undefined if the store is not shared.
   */
  readonly position: string | undefined;
  /**
   * Resolves when operations of this server see everything that a position covers. A position that this
   * server does not know, such as one from before a restart, is covered by a refresh.
   *
   * @throws {StoreError} `unreachable`
   */
  reached(position: string): Promise<void>;
  /** Returns the world if it is in memory; `undefined` does not mean that it does not exist. */
  peek(name: string): World | undefined;
  /** Reads the current version; `undefined` if the world exists in neither layer. */
  read(name: string, options?: ReadOptions): Promise<World | undefined>;
  /**
   * Reads a version by number.
   *
   * @throws {StoreError} `absent` if the world never had it, `gone` if it is no longer kept
   */
  readAt(name: string, version: number, caller?: JobCaller): Promise<World>;
  /**
   * Returns the unified diff of two text versions, which have at most `MAX_PARSED_WORLD_BYTES` each;
   * empty if they are equal. It is the shortest one if that can be found in time.
   *
   * @throws {StoreError} `busy` if too many reads of long bodies are waiting
   */
  diff(before: World, after: World, caller?: JobCaller): Promise<string>;
  /** Replaces or creates a world. */
  put(change: Put): Promise<ChangeResult>;
  /** Appends to a world, or creates it. */
  append(change: Append): Promise<ChangeResult>;
  /**
   * Edits a part of a world.
   *
   * @throws {StoreError} `absent`, `malformed`, `conflict`, `too-large`, `precondition`
   */
  patch(change: Patch): Promise<ChangeResult>;
  /** Changes the state of a world. */
  transition(change: Transition): Promise<ChangeResult>;
  note(change: EventNote): Promise<void>;
  /**
   * Moves an upper-layer world to the trash.
   *
   * @throws {StoreError} `absent`, or `lower` if only the lower layer has the world
   */
  remove(change: Removal): Promise<RemovalResult>;
  /**
   * Renames an upper-layer world. This makes a new version with the same bytes, higher than any
   * version of either name. The rename and its event exist together or not at all, also after a
   * crash.
   *
   * @throws {StoreError} `absent`, `lower` if only the lower layer has the world, `precondition` if
   * a world with the new name exists and is not to be replaced, `other-key`
   */
  rename(change: Rename): Promise<ChangeResult>;
  /**
   * Restores a deleted world with its chain and its earlier versions, as a new version that is higher
   * than any that its old or its new name used. The restore and its event exist together or not at
   * all, also after a crash.
   *
   * @throws {StoreError} `absent` if the world is not in the trash, `precondition` if a world has the
   * name, `other-key`
   */
  restore(change: Restore): Promise<ChangeResult>;
  /** Reads a page of the trash, newest first. */
  listTrash(query: TrashQuery): Promise<TrashPage>;
  /** Returns the deleted worlds of an id; empty if it is not in the trash. */
  findTrash(id: string): Promise<readonly TrashEntry[]>;
  /**
   * Deletes the worlds of an id in the trash for good.
   *
   * @returns what was deleted; empty if the id is not in the trash
   */
  expunge(id: string): Promise<readonly TrashEntry[]>;
  /** Returns the catalog entry of a world; `undefined` if the world does not exist. */
  stat(name: string): WorldEntry | undefined;
  /** Whether `name` has worlds below it or is marked as a collection; `""` is the root. */
  isCollection(name: string): boolean;
  /**
   * Returns the RFC 3339 time of the newest known write of a world at or below `name`; `undefined`
   * if there is no such world. Deletions do not count.
   */
  changedAt(name: string): string | undefined;
  /**
   * Lists the children of a collection, sorted by name; empty if it does not exist.
   *
   * @param page lists a part of them; it costs in proportion to the part
   */
  list(name: string, page?: ListPage): Promise<readonly Child[]>;
  /** Lists all worlds at or below `name`, sorted by name; `""` lists all worlds. */
  walk(name: string): Promise<readonly WorldEntry[]>;
  /**
   * Lists visible worlds that parts of the tree cover, in the order of `compareNames`, one page at a
   * time. What no part covers costs no time.
   *
   * @param parts what is covered; each world is returned once
   * @param after the name after which the page begins; `""` begins with the first
   * @param limit maximum number of worlds, at least 1; fewer are returned only at the end
   */
  entries(parts: readonly Within[], after: string, limit: number): Promise<readonly WorldEntry[]>;
  /** Returns the number of visible worlds in both layers. */
  count(): number;
  /**
   * Marks a name as a collection, or removes the mark, so that a collection can exist without
   * worlds (WebDAV MKCOL). Idempotent.
   *
   * @param made the caller that makes the collection, and its old name if it moves; absent for a mark
   * that quotas do not limit, such as that of the parent of a deleted world
   * @throws {StoreError} `quota`
   */
  markCollection(name: string, present: boolean, made?: MadeCollection): Promise<MarkResult>;
  /** Returns the bytes that files of upper-layer worlds have on disk; 0 for one that is gone. */
  fileSizes(names: readonly string[]): Promise<readonly number[]>;
  /** Returns the quotas that a change of a world by a caller has to keep. */
  quotas(name: string, by: string): readonly QuotaState[];
  /**
   * Calls `listener` after each change of a world.
   *
   * @param name name of a world; with a trailing `/`, all worlds below it; `/` means all worlds
   * @returns the function that removes the listener
   */
  watch(name: string, listener: (change: Change) => void): () => void;
  /**
   * Calls `listener` when events of a world have a cursor that is on disk, in the order of the cursors.
   * This is some milliseconds later than {@link Store.watch}.
   *
   * @param name as for {@link Store.watch}
   * @returns the function that removes the listener
   */
  follow(name: string, listener: (published: Published) => void): () => void;
  /**
   * Reads events of all worlds in the one order in which the store published them.
   *
   * @throws {StoreError} `gone` if the position cannot be located, `busy` if the index of changes is
   * being created or too many filtered reads (`by`), which are long jobs, are waiting
   */
  changes(query: ChangeQuery, caller?: JobCaller): Promise<ChangePage>;
  /**
   * Searches in the texts of worlds. A change that is younger than two seconds can be missing. The same
   * searches share one job.
   *
   * @throws {StoreError} `busy` if too many searches are waiting, or the search index is being created
   */
  search(query: SearchQuery, caller?: JobCaller): Promise<SearchPage>;
  /**
   * Finds the events of changes with an idempotency key, in their order. It waits until the index of
   * changes has everything that is on disk, so that a change from before a crash is found.
   *
   * @param key the key part of the mark
   * @param name the name that the request changes, or of the collection
   * @throws {StoreError} `busy` if the index of changes is not complete in time, or if too many changes
   * with other keys wait for it
   */
  keyed(key: string, name: string): Promise<readonly KeyedEvent[]>;
  /**
   * Checks the chain and the bytes of a world. The same audits share one job; the result is kept
   * until the file of the world changes.
   *
   * @throws {StoreError} `busy` if too many audits and copies are waiting
   */
  audit(name: string, caller?: JobCaller): Promise<AuditResult>;
  /**
   * Lists events of a world, newest first.
   *
   * @param page at most `limit` events with an id below `before`
   */
  log(name: string, page: { before?: number; limit: number }): Promise<readonly ChainEvent[]>;
  /**
   * Copies an upper-layer world with its chain and the versions that can still be read. Writes can
   * happen at the same time.
   *
   * @param key signing key for the copy; if absent, the HMACs are kept. Events are signed with it up to
   * the first event that is not valid under the server's key; that event and all later ones keep
   * their HMACs
   * @throws {StoreError} `absent` if the world is not on disk, `busy` if too many audits and copies
   * are waiting, or too many long copies are being read
   */
  snapshot(name: string, key?: string, caller?: JobCaller): Promise<Snapshot>;
  /**
   * Checks whether the store can read and write: on SQLite files, that the data folder is the locked
   * one, and that a small file in it can be written and read.
   *
   * @throws {StoreError} with the reason if it cannot
   */
  checkHealth(): Promise<void>;
  /** Returns the state of the store as it is known now. */
  health(): StoreHealth;
  /** Changes with every change of a listing, marks of collections included. */
  readonly listingRevision: number;
  /** Number of changes since the start of the store. */
  readonly seq: number;
  /** Figures since the start of the store. */
  readonly counts: StoreCounts;
  /** Completes the accepted changes, closes all files and releases the data folder. */
  close(): Promise<void>;
}
