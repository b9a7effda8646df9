/**
 * The write locks of the machine (RFC 4918 §6, §7), in memory: a lock is a client's promise for
 * minutes that it is still there, and a machine that starts again has no such client. It knows paths
 * and times; who may lock, and whether a token was sent, is somebody else's question.
 */

import { MAX_DAV_LOCKS, MAX_SHARED_LOCKS } from "../../limits.ts";

/** What a lock is asked for with. */
export interface LockRequest {
  /** Canonical path of its root, `/home/a.txt`. */
  readonly path: string;
  readonly depth: "0" | "infinity";
  readonly exclusive: boolean;
  /** The client's own words as an XML element, or `""`. */
  readonly owner: string;
  /** Who holds it, as events name a caller. */
  readonly by: string;
  readonly seconds: number;
}

/** A lock that was granted. */
export interface Lock extends LockRequest {
  readonly token: string;
  /** Unix milliseconds at which it ends. */
  readonly expires: number;
}

/** Why a lock was not granted. */
export type LockRefusal = { readonly conflict: Lock } | { readonly full: true };

/** All locks by the path of their roots. */
export class LockTable {
  readonly #roots = new Map<string, Lock[]>();
  readonly #now: () => number;
  readonly #uuid: () => string;
  #count = 0;
  #nextExpiry = Infinity;

  /**
   * @param now Unix milliseconds
   * @param uuid a new UUID that nobody can guess
   */
  constructor(now: () => number, uuid: () => string = () => crypto.randomUUID()) {
    this.#now = now;
    this.#uuid = uuid;
  }

  /** Whether there is no lock at all: what every write asks first. */
  get isEmpty(): boolean {
    if (this.#count > 0 && this.#nextExpiry <= this.#now()) this.#sweep();
    return this.#count === 0;
  }

  /** The locks that apply to a path: its own, and those of depth infinity above it. */
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

  /** The locks whose roots lie below a path. */
  below(path: string): readonly Lock[] {
    if (this.isEmpty) return [];
    const prefix = path === "/" ? "/" : `${path}/`;
    const found: Lock[] = [];
    for (const [root, locks] of this.#roots) {
      if (root !== path && root.startsWith(prefix)) found.push(...locks);
    }
    return found;
  }

  /** Grants a lock where it stands against no other (§6.1, §7.4: compatibility). */
  grant(wish: LockRequest): Lock | LockRefusal {
    const covering = this.covering(wish.path);
    const others = wish.depth === "infinity" ? [...covering, ...this.below(wish.path)] : covering;
    const conflict = others.find((lock) => lock.exclusive || wish.exclusive);
    if (conflict !== undefined) return { conflict };
    const own = this.#roots.get(wish.path) ?? [];
    if (this.#count >= MAX_DAV_LOCKS || own.length >= MAX_SHARED_LOCKS) return { full: true };
    const lock: Lock = { ...wish, token: `urn:uuid:${this.#uuid()}`, expires: this.#until(wish) };
    this.#roots.set(wish.path, [...own, lock]);
    this.#count += 1;
    this.#nextExpiry = Math.min(this.#nextExpiry, lock.expires);
    return lock;
  }

  /** Lets a lock begin its time again; the token stays. */
  refresh(lock: Lock, seconds: number): Lock {
    const fresh: Lock = { ...lock, seconds, expires: this.#until({ seconds }) };
    const own = this.#roots.get(lock.path) ?? [];
    this.#roots.set(lock.path, own.map((found) => found.token === lock.token ? fresh : found));
    return fresh;
  }

  /** Ends a lock. */
  release({ path, token }: Lock): void {
    this.#keep(path, (lock) => lock.token !== token);
  }

  /** Ends the locks rooted at a path, as its deletion does (§9.6), and with `tree` those below it. */
  releaseAt(path: string, tree = false): void {
    if (this.#count === 0) return;
    const below = tree ? this.below(path) : [];
    this.#keep(path, () => false);
    for (const lock of below) this.#keep(lock.path, () => false);
  }

  #until({ seconds }: { readonly seconds: number }): number {
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

  #sweep(): void {
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

/** The paths above a path, nearest first; the root has none. */
export function ancestors(path: string): string[] {
  const found: string[] = [];
  for (let at = path; at !== "/";) {
    at = parentOf(at);
    found.push(at);
  }
  return found;
}

/** The path of the collection a path lies in. */
export function parentOf(path: string): string {
  const slash = path.lastIndexOf("/");
  return slash <= 0 ? "/" : path.slice(0, slash);
}
