/**
 * The locks of a server that has its worlds to itself. They are kept in memory only and end with the
 * process: they last minutes, and after a restart their clients must lock again. Their time is measured
 * by a monotonic clock, so a step of the computer's clock neither ends nor prolongs them.
 */

import { type Caller, credentialKey } from "../../auth/caller.ts";
import { DAV_LIMITS, LOCK_PURGE_MS } from "../../dav_limits.ts";
import { locksBelow, locksCovering } from "./lock_paths.ts";
import type { Lock, LockOptions, LockRefusal, LockRequest, Locks } from "./locks.ts";

/** All locks by their paths. */
export class LockTable implements Locks {
  readonly isShared: Locks["isShared"] = false;
  readonly #roots = new Map<string, Lock[]>();
  readonly #options: LockOptions;
  /** Number of locks by the key of their credential. */
  readonly #counts = new Map<string, number>();
  #count = 0;
  #refused = 0;
  #nextExpiry = Infinity;
  #purgedAt = -Infinity;
  #version = 0;

  constructor(options: LockOptions) {
    this.#options = options;
  }

  get isEmpty(): boolean {
    if (this.#count === 0) return true;
    const now = this.#now();
    // Ended locks are ignored at once. Removing them reads all locks, so it has a minimum interval.
    if (this.#nextExpiry <= now && now - this.#purgedAt >= LOCK_PURGE_MS) this.removeEnded();
    return this.#count === 0;
  }

  get version(): number {
    return this.#version;
  }

  get size(): number {
    return this.#count;
  }

  get refused(): number {
    return this.#refused;
  }

  covering(path: string): readonly Lock[] {
    if (this.isEmpty) return [];
    return locksCovering(this.#roots, path).filter((lock) => this.#isInForce(lock));
  }

  below(path: string): readonly Lock[] {
    if (this.isEmpty) return [];
    return locksBelow(this.#roots, path).filter((lock) => this.#isInForce(lock));
  }

  grant(
    request: LockRequest,
    isReplaced: (lock: Lock) => boolean = () => false,
  ): Promise<Lock | LockRefusal> {
    return Promise.resolve(this.#grant(request, isReplaced));
  }

  #grant(request: LockRequest, isReplaced: (lock: Lock) => boolean): Lock | LockRefusal {
    const covering = this.covering(request.path);
    const others = request.depth === "infinity"
      ? [...covering, ...this.below(request.path)]
      : covering;
    const conflicts = others.filter((lock) => lock.exclusive || request.exclusive);
    const conflict = conflicts.find((lock) => !isReplaced(lock));
    if (conflict !== undefined) return { conflict };
    for (const lock of conflicts) this.#release(lock);
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

  refresh(lock: Lock, seconds: number): Promise<Lock | undefined> {
    const own = this.#roots.get(lock.path) ?? [];
    if (!own.some(({ token }) => token === lock.token)) return Promise.resolve(undefined);
    const fresh: Lock = { ...lock, ...this.#timeOf(lock.holder, seconds) };
    this.#roots.set(lock.path, own.map((found) => found.token === lock.token ? fresh : found));
    this.#nextExpiry = Math.min(this.#nextExpiry, fresh.expires);
    return Promise.resolve(fresh);
  }

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

  release(lock: Lock): Promise<void> {
    this.#release(lock);
    return Promise.resolve();
  }

  abandon(lock: Lock): Promise<void> {
    return this.release(lock);
  }

  releaseAt(path: string, tree = false): Promise<void> {
    if (this.#count === 0) return Promise.resolve();
    const below = tree ? this.below(path) : [];
    this.#keep(path, () => false);
    for (const lock of below) this.#keep(lock.path, () => false);
    return Promise.resolve();
  }

  #release({ path, token }: Lock): void {
    this.#keep(path, (lock) => lock.token !== token);
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
    this.#version += 1;
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
