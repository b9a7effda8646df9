/**
 * The lock table: the write locks of WebDAV (RFC 4918 §6, §7).
 *
 * A lock protects the resource at one path, its root, against writes by other callers; with depth
 * infinity also all resources below it. An exclusive lock permits no second lock on the same
 * resources; shared locks permit each other. Each lock has a token. A request proves that it holds
 * the lock by sending the token in the If header. A lock ends when its holder removes it, when its
 * time is over, when its resource is deleted, or when the credential of its holder ends.
 *
 * Locks are kept in memory only and end with the process: they last minutes, and after a restart
 * their clients must lock again. Their time is measured by a monotonic clock, so a step of the
 * computer's clock neither ends nor prolongs them. The table stores paths and times. Rights and
 * submitted tokens are checked by lock_guard.ts.
 */

import { type Caller, credentialKey } from "../../auth/caller.ts";
import { DAV_LIMITS, type DavLimits, LOCK_PURGE_MS } from "../../dav_limits.ts";

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

/** What a lock table depends on. */
export interface LockTableOptions {
  /** Milliseconds of a clock that only moves forward. */
  readonly monotonic: () => number;
  /**
   * Seconds until the credential of a caller ends: Infinity if its end is not known, 0 or less if it
   * has ended.
   */
  readonly secondsLeft: (caller: Caller) => number;
  /** Most locks of one credential. T3 has this number in reserve among the locks of the server. */
  readonly maxPerCredential: number;
  /** Most locks of the server, and shared locks of one resource. */
  readonly limits?: Pick<DavLimits, "locks" | "sharedLocks">;
  /** Returns a new random UUID, which clients cannot guess. */
  readonly uuid?: () => string;
}

/** All locks by their paths. */
export class LockTable {
  readonly #roots = new Map<string, Lock[]>();
  readonly #options: LockTableOptions;
  /** Number of locks by the key of their credential. */
  readonly #counts = new Map<string, number>();
  #count = 0;
  #refused = 0;
  #nextExpiry = Infinity;
  #purgedAt = -Infinity;

  constructor(options: LockTableOptions) {
    this.#options = options;
  }

  /** Whether no lock exists; every write checks this first. */
  get isEmpty(): boolean {
    if (this.#count === 0) return true;
    const now = this.#now();
    // Ended locks are ignored at once. Removing them reads all locks, so it has a minimum interval.
    if (this.#nextExpiry <= now && now - this.#purgedAt >= LOCK_PURGE_MS) this.removeEnded();
    return this.#count === 0;
  }

  /** Number of locks, with those that ended a moment ago. */
  get size(): number {
    return this.#count;
  }

  /** Number of locks that a limit refused. */
  get refused(): number {
    return this.#refused;
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
    return found.filter((lock) => this.#isInForce(lock));
  }

  /** Returns the locks whose paths are below a path. */
  below(path: string): readonly Lock[] {
    if (this.isEmpty) return [];
    const prefix = path === "/" ? "/" : `${path}/`;
    const found: Lock[] = [];
    for (const [root, locks] of this.#roots) {
      if (root !== path && root.startsWith(prefix)) found.push(...locks);
    }
    return found.filter((lock) => this.#isInForce(lock));
  }

  /**
   * Grants a lock if it is compatible with all others (RFC 4918 §6.1, §7.4).
   *
   * @param isReplaced whether a lock that is not compatible ends instead
   */
  grant(
    request: LockRequest,
    isReplaced: (lock: Lock) => boolean = () => false,
  ): Lock | LockRefusal {
    const covering = this.covering(request.path);
    const others = request.depth === "infinity"
      ? [...covering, ...this.below(request.path)]
      : covering;
    const conflicts = others.filter((lock) => lock.exclusive || request.exclusive);
    const conflict = conflicts.find((lock) => !isReplaced(lock));
    if (conflict !== undefined) return { conflict };
    for (const lock of conflicts) this.release(lock);
    if (this.#fullness(request) !== undefined) this.removeEnded();
    const full = this.#fullness(request);
    if (full !== undefined) {
      this.#refused += 1;
      return { full };
    }
    const { path, holder, seconds } = request;
    const uuid = this.#options.uuid?.() ?? crypto.randomUUID();
    const lock: Lock = { ...request, token: `urn:uuid:${uuid}`, ...this.#timeOf(holder, seconds) };
    this.#roots.set(path, [...this.#roots.get(path) ?? [], lock]);
    this.#add(holder, 1);
    this.#nextExpiry = Math.min(this.#nextExpiry, lock.expires);
    return lock;
  }

  /** Restarts the time of a lock; the token does not change. */
  refresh(lock: Lock, seconds: number): Lock {
    const fresh: Lock = { ...lock, ...this.#timeOf(lock.holder, seconds) };
    const own = this.#roots.get(lock.path) ?? [];
    this.#roots.set(lock.path, own.map((found) => found.token === lock.token ? fresh : found));
    this.#nextExpiry = Math.min(this.#nextExpiry, fresh.expires);
    return fresh;
  }

  /** Removes the locks whose time is over or whose credential has ended. */
  removeEnded(): void {
    this.#purgedAt = this.#now();
    this.#nextExpiry = Infinity;
    for (const path of [...this.#roots.keys()]) {
      this.#keep(path, (lock) => this.#isInForce(lock));
      for (const { expires } of this.#roots.get(path) ?? []) {
        this.#nextExpiry = Math.min(this.#nextExpiry, expires);
      }
    }
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

  #now(): number {
    return this.#options.monotonic();
  }

  #isInForce({ expires, holder }: Lock): boolean {
    return expires > this.#now() && this.#options.secondsLeft(holder) > 0;
  }

  /** A lock never lasts longer than the credential of its holder. */
  #timeOf(holder: Caller, seconds: number): Pick<Lock, "seconds" | "expires"> {
    const lasting = Math.min(seconds, this.#options.secondsLeft(holder));
    return { seconds: Math.max(1, Math.floor(lasting)), expires: this.#now() + lasting * 1000 };
  }

  #fullness({ path, holder }: LockRequest): "credential" | "server" | undefined {
    const { maxPerCredential, limits: { locks, sharedLocks } = DAV_LIMITS } = this.#options;
    if ((this.#counts.get(credentialKey(holder)) ?? 0) >= maxPerCredential) return "credential";
    const reserved = holder.tier === "T3" ? 0 : Math.min(maxPerCredential, locks / 2);
    const shared = this.#roots.get(path)?.length ?? 0;
    return this.#count >= locks - reserved || shared >= sharedLocks ? "server" : undefined;
  }

  #add(holder: Caller, locks: 1 | -1): void {
    const key = credentialKey(holder);
    const count = (this.#counts.get(key) ?? 0) + locks;
    if (count === 0) this.#counts.delete(key);
    else this.#counts.set(key, count);
    this.#count += locks;
  }

  #keep(path: string, stays: (lock: Lock) => boolean): void {
    const own = this.#roots.get(path);
    if (own === undefined) return;
    const kept: Lock[] = [];
    for (const lock of own) {
      if (stays(lock)) kept.push(lock);
      else this.#add(lock.holder, -1);
    }
    if (kept.length === 0) this.#roots.delete(path);
    else this.#roots.set(path, kept);
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
