/**
 * The lock table: the write locks of WebDAV (RFC 4918 §6, §7).
 *
 * A lock protects the resource at one path, its root, against writes by other callers; with depth
 * infinity also all resources below it. An exclusive lock permits no second lock on the same
 * resources; shared locks permit each other. Each lock has a token. A request proves that it holds
 * the lock by sending the token in the If header. A lock ends when its holder removes it, when its
 * time is over, or when its resource is deleted.
 *
 * Locks are kept in memory only and end with the process: they last minutes, and after a restart
 * their clients must lock again. The table stores paths and times. Rights and submitted tokens are
 * checked by lock_guard.ts.
 */

import { MAX_DAV_LOCKS, MAX_SHARED_LOCKS } from "../../limits.ts";

/** A request for a lock. */
export interface LockRequest {
  /** Canonical path of the lock's root, such as `/home/a.txt`. */
  readonly path: string;
  readonly depth: "0" | "infinity";
  readonly exclusive: boolean;
  /** The `DAV:owner` element that the client sent, as XML, or `""`. */
  readonly owner: string;
  /** The caller, as in events. */
  readonly by: string;
  /** Duration in seconds. */
  readonly seconds: number;
}

/** A lock that was granted. */
export interface Lock extends LockRequest {
  /** `urn:uuid:` and a UUID. */
  readonly token: string;
  /** Time at which it expires, in Unix milliseconds. */
  readonly expires: number;
}

/** Why a lock was not granted: another lock, or too many locks. */
export type LockRefusal = { readonly conflict: Lock } | { readonly full: true };

/** All locks by their paths. */
export class LockTable {
  readonly #roots = new Map<string, Lock[]>();
  readonly #now: () => number;
  readonly #uuid: () => string;
  #count = 0;
  #nextExpiry = Infinity;

  /**
   * @param now returns the current time in Unix milliseconds
   * @param uuid returns a new random UUID, which clients cannot guess
   */
  constructor(now: () => number, uuid: () => string = () => crypto.randomUUID()) {
    this.#now = now;
    this.#uuid = uuid;
  }

  /** Whether no lock exists; every write checks this first. */
  get isEmpty(): boolean {
    if (this.#count > 0 && this.#nextExpiry <= this.#now()) this.#removeExpired();
    return this.#count === 0;
  }

  /** Returns the locks that apply to a path: its own, and those with depth infinity above it. */
  covering(path: string): readonly Lock[] {
    if (this.isEmpty) return [];
    const found = [...this.#roots.get(path) ?? []];
    for (const above of ancestors(path)) {
      for (const lock of this.#roots.get(above) ?? []) {
        if (lock.depth === "infinity") found.push(lock);
      }
    }
    return found;
  }

  /** Returns the locks whose paths are below a path. */
  below(path: string): readonly Lock[] {
    if (this.isEmpty) return [];
    const prefix = path === "/" ? "/" : `${path}/`;
    const found: Lock[] = [];
    for (const [root, locks] of this.#roots) {
      if (root !== path && root.startsWith(prefix)) found.push(...locks);
    }
    return found;
  }

  /** Grants a lock if it is compatible with all others (RFC 4918 §6.1, §7.4). */
  grant(request: LockRequest): Lock | LockRefusal {
    const covering = this.covering(request.path);
    const others = request.depth === "infinity"
      ? [...covering, ...this.below(request.path)]
      : covering;
    const conflict = others.find((lock) => lock.exclusive || request.exclusive);
    if (conflict !== undefined) return { conflict };
    const own = this.#roots.get(request.path) ?? [];
    if (this.#count >= MAX_DAV_LOCKS || own.length >= MAX_SHARED_LOCKS) return { full: true };
    const lock: Lock = {
      ...request,
      token: `urn:uuid:${this.#uuid()}`,
      expires: this.#expiryOf(request),
    };
    this.#roots.set(request.path, [...own, lock]);
    this.#count += 1;
    this.#nextExpiry = Math.min(this.#nextExpiry, lock.expires);
    return lock;
  }

  /** Restarts the time of a lock; the token does not change. */
  refresh(lock: Lock, seconds: number): Lock {
    const fresh: Lock = { ...lock, seconds, expires: this.#expiryOf({ seconds }) };
    const own = this.#roots.get(lock.path) ?? [];
    this.#roots.set(lock.path, own.map((found) => found.token === lock.token ? fresh : found));
    return fresh;
  }

  /** Removes a lock. */
  release({ path, token }: Lock): void {
    this.#keep(path, (lock) => lock.token !== token);
  }

  /**
   * Removes the locks of a deleted path (RFC 4918 §9.6).
   *
   * @param tree whether locks below the path are removed too
   */
  releaseAt(path: string, tree = false): void {
    if (this.#count === 0) return;
    const below = tree ? this.below(path) : [];
    this.#keep(path, () => false);
    for (const lock of below) this.#keep(lock.path, () => false);
  }

  #expiryOf({ seconds }: { readonly seconds: number }): number {
    return this.#now() + seconds * 1000;
  }

  #keep(path: string, stays: (lock: Lock) => boolean): void {
    const own = this.#roots.get(path);
    if (own === undefined) return;
    const kept = own.filter(stays);
    this.#count -= own.length - kept.length;
    if (kept.length === 0) this.#roots.delete(path);
    else this.#roots.set(path, kept);
  }

  #removeExpired(): void {
    const now = this.#now();
    this.#nextExpiry = Infinity;
    for (const path of [...this.#roots.keys()]) {
      this.#keep(path, (lock) => lock.expires > now);
      for (const { expires } of this.#roots.get(path) ?? []) {
        this.#nextExpiry = Math.min(this.#nextExpiry, expires);
      }
    }
  }
}

/** Returns the paths above a path, nearest first; none for the root. */
export function ancestors(path: string): string[] {
  const found: string[] = [];
  for (let at = path; at !== "/";) {
    at = parentOf(at);
    found.push(at);
  }
  return found;
}

/** Returns the path of the collection that contains a path. */
export function parentOf(path: string): string {
  const slash = path.lastIndexOf("/");
  return slash <= 0 ? "/" : path.slice(0, slash);
}
