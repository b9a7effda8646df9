/**
 * The write locks of WebDAV (RFC 4918 §6, §7). Types only.
 *
 * A lock protects the resource at one path, its root, against writes by other callers; with depth
 * infinity also all resources below it. An exclusive lock permits no second lock on the same
 * resources; shared locks permit each other. Each lock has a token. A request proves that it holds
 * the lock by sending the token in the If header. A lock ends when its holder removes it, when its
 * time is over, when its resource is deleted, or when the credential of its holder ends.
 *
 * An implementation stores paths and times. Rights and submitted tokens are checked by lock_guard.ts.
 */

import type { Caller } from "../../auth/caller.ts";
import type { DavLimits } from "../../dav_limits.ts";

/** A request for a lock. */
export interface LockRequest {
  /** Canonical path of the lock's root, such as `/home/a.txt`. */
  readonly path: string;
  readonly depth: "0" | "infinity";
  readonly exclusive: boolean;
  /** The `DAV:owner` element that the client sent, as XML, or `""`. */
  readonly owner: string;
  /** The caller that requested it; the same object that the authenticator returned. */
  readonly holder: Caller;
  /** Duration in seconds. */
  readonly seconds: number;
}

/** A lock that was granted. */
export interface Lock extends LockRequest {
  /** `urn:uuid:` and a UUID. */
  readonly token: string;
  /** Time at which it expires, in milliseconds of the monotonic clock. */
  readonly expires: number;
}

/**
 * Why a lock was not granted: another lock; the credential holds as many locks as one credential can
 * (`credential`); or the server or the resource has too many (`server`).
 */
export type LockRefusal =
  | { readonly conflict: Lock }
  | { readonly full: "credential" | "server" };

/** What the locks of a server depend on. */
export interface LockOptions {
  /** Milliseconds of a clock that only moves forward. */
  readonly monotonic: () => number;
  /**
   * Seconds until the credential of a caller ends: Infinity if its end is not known, 0 or less if it
   * has ended.
   */
  readonly secondsLeft: (caller: Caller) => number;
  /** What identifies the account of a caller for the other servers; absent if there are none. */
  readonly accountMark?: (caller: Caller) => string | undefined;
  /** Whether the plugin that took a lock at another server has ended. */
  readonly hasPluginEnded?: (caller: Caller) => boolean;
  /** Waits until this server knows what other servers know of credentials and plugins. */
  readonly follow?: () => Promise<void>;
  /** Most locks of one credential. T3 has this number in reserve among the locks of the server. */
  readonly maxPerCredential: number;
  /** Most locks of the server, and shared locks of one resource. */
  readonly limits?: Pick<DavLimits, "locks" | "sharedLocks">;
  /** Returns a new random UUID, which clients cannot guess. */
  readonly uuid?: () => string;
}

/**
 * All locks by their paths. What memory knows is read at once, because every write reads it. Changes
 * are promises: with several servers each is decided in the database.
 */
export interface Locks {
  /**
   * Whether other servers grant locks too. Then a lock can be granted between the check of a write and
   * the write itself, so the store runs the check again; see `WriteChecks`.
   */
  readonly isShared: boolean;
  /** A number that rises whenever a lock is granted or ends. */
  readonly version: number;
  /** Whether no lock exists; every write checks this first. */
  readonly isEmpty: boolean;
  /** Number of locks, with those that ended a moment ago. */
  readonly size: number;
  /** Number of locks that a limit refused since the start. */
  readonly refused: number;
  /** Returns the locks that apply to a path: its own, and those with depth infinity above it. */
  covering(path: string): readonly Lock[];
  /** Returns the locks whose paths are below a path. */
  below(path: string): readonly Lock[];
  /**
   * Grants a lock if it is compatible with all others (RFC 4918 §6.1, §7.4).
   *
   * @param isReplaced whether a lock that is not compatible ends instead; by default none does
   * @throws {StoreError} `unreachable`, `unknown`, as the operations below
   */
  grant(
    request: LockRequest,
    isReplaced?: (lock: Lock) => boolean,
  ): Promise<Lock | LockRefusal>;
  /**
   * Restarts the time of a lock; the token does not change.
   *
   * @returns undefined if the lock has ended
   */
  refresh(lock: Lock, seconds: number): Promise<Lock | undefined>;
  /** Removes a lock; one that has ended is not an error. */
  release(lock: Lock): Promise<void>;
  /** Removes a lock whose token no client gets; if the database cannot be reached, as soon as it can. */
  abandon(lock: Lock): Promise<void>;
  /**
   * Removes the locks of a deleted path (RFC 4918 §9.6).
   *
   * @param tree whether locks below the path are removed too
   */
  releaseAt(path: string, tree?: boolean): Promise<void>;
  /** Removes the locks whose time is over or whose credential has ended, now or in the background. */
  removeEnded(): void;
}
