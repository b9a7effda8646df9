/**
 * The records of the WebDAV locks in a store that several servers share. What a lock means is known by
 * `lib/dav/locks`; the store decides which locks can exist together. Types only.
 */

/** A lock as every server sees it. */
export interface LockRecord {
  /** `urn:uuid:` and a UUID. */
  readonly token: string;
  /** Canonical path of its root. */
  readonly path: string;
  readonly depth: "0" | "infinity";
  readonly exclusive: boolean;
  /** The `DAV:owner` element of the client, as XML, or `""`. */
  readonly owner: string;
  /** The caller that holds it, as a text that the server wrote. */
  readonly holder: string;
  /** Duration in seconds, counted from the last refresh. */
  readonly seconds: number;
}

/** A lock to grant, and the limits that apply. */
export interface WantedLock extends LockRecord {
  /** Key under which the locks of one credential are counted. */
  readonly credential: string;
  readonly maxPerCredential: number;
  /** Most locks of all servers. */
  readonly maxLocks: number;
  /** Most locks whose root is one path. */
  readonly maxPerPath: number;
  /** Tokens of locks that end if they are not compatible. */
  readonly replaced: readonly string[];
}

/**
 * Whether a lock was granted; otherwise the token of one that is not compatible, or the limit that has
 * been reached: of the `credential`, or of the `server` or the path.
 */
export type GrantOutcome =
  | { readonly kind: "granted" | "credential" | "server" }
  | { readonly kind: "conflict"; readonly token: string };

/** What a read of the records has changed in memory. */
export interface LockChanges {
  /** Whether all records were read: memory has no others. */
  readonly isWhole: boolean;
  /** Records that are new or were refreshed. */
  readonly changed: readonly LockRecord[];
  /** Tokens of those that ended. */
  readonly ended: readonly string[];
}

/**
 * The locks of a shared store. Memory has them as they were read last; they are read again when another
 * server has changed them. Each change is decided in the store. It resolves after memory has it.
 */
export interface LockRecords {
  /** Number of the newest change that memory has. */
  readonly version: number;
  readonly records: Iterable<LockRecord>;
  /** Returns the milliseconds that are left of a record, by the clock of the store. */
  msLeft(record: LockRecord): number;
  /** Calls a listener whenever the records were read, before anything else sees them. */
  onRead(listener: (changes: LockChanges) => void): void;
  /** Reads what has changed of the records. @throws {StoreError} `unreachable` */
  read(): Promise<void>;
  /** Grants a lock, all other locks considered. */
  grant(wanted: WantedLock): Promise<GrantOutcome>;
  /** Restarts the time of a lock. Returns false if it has ended. */
  refresh(token: string, seconds: number): Promise<boolean>;
  /** Ends locks. */
  release(tokens: readonly string[]): Promise<void>;
  /**
   * Ends a lock whose token no client got, as soon as the store can be reached. A grant that fails with
   * `unknown` does so itself.
   */
  abandon(token: string): void;
}
