/**
 * The locks of a server that shares its store with others. The store decides which locks are granted, and
 * memory has all of them, as they were read last. They last longer than this process.
 *
 * Every server ends a lock with the capability, the account or the plugin of its holder. Whether a token of
 * the settings still exists is known only to the server that granted the lock.
 *
 * A server that is behind can lack an account or a plugin that another server knows. Writes are safe: the
 * database refuses what was judged by older accounts. A lock ends only after the server has followed.
 */

import { type Caller, credentialKey } from "../../auth/caller.ts";
import { readCaller, writeCaller } from "../../auth/caller_record.ts";
import { DAV_LIMITS } from "../../dav_limits.ts";
import type { LockChanges, LockRecord, LockRecords } from "../../world/lock_records.ts";
import { StoreError } from "../../world/store.ts";
import { locksBelow, locksCovering } from "./lock_paths.ts";
import type { Lock, LockOptions, LockRefusal, LockRequest, Locks } from "./locks.ts";

/** A grant is tried again if the locks that it may replace have changed in the meantime. */
const GRANT_TRIES = 5;

/** The locks of all servers. */
export class SharedLocks implements Locks {
  readonly isShared: Locks["isShared"] = true;
  readonly #options: LockOptions;
  readonly #records: LockRecords;
  /** Holders of the locks that this server has granted. */
  readonly #holders = new Map<string, Caller>();
  /** Tokens of grants under way, which no read has shown yet. */
  readonly #granting = new Set<string>();
  /** All locks by their tokens, and by their paths. */
  readonly #locks = new Map<string, Lock>();
  readonly #roots = new Map<string, readonly Lock[]>();
  #refused = 0;

  constructor(options: LockOptions, records: LockRecords) {
    this.#options = options;
    this.#records = records;
    this.#load({ isWhole: true, changed: [...records.records], ended: [] });
    records.onRead((changes) => this.#load(changes));
  }

  get version(): number {
    return this.#records.version;
  }

  get isEmpty(): boolean {
    return this.#locks.size === 0;
  }

  get size(): number {
    return this.#locks.size;
  }

  get refused(): number {
    return this.#refused;
  }

  covering(path: string): readonly Lock[] {
    return this.isEmpty
      ? []
      : locksCovering(this.#roots, path).filter((lock) => this.#isInForce(lock));
  }

  below(path: string): readonly Lock[] {
    return this.isEmpty
      ? []
      : locksBelow(this.#roots, path).filter((lock) => this.#isInForce(lock));
  }

  async grant(
    request: LockRequest,
    isReplaced: (lock: Lock) => boolean = () => false,
  ): Promise<Lock | LockRefusal> {
    const token = `urn:uuid:${this.#options.uuid?.() ?? crypto.randomUUID()}`;
    this.#holders.set(token, request.holder);
    this.#granting.add(token);
    try {
      return await this.#grant(token, request, isReplaced);
    } finally {
      this.#granting.delete(token);
      if (this.#find(token) === undefined) this.#holders.delete(token);
    }
  }

  async #grant(
    token: string,
    request: LockRequest,
    isReplaced: (lock: Lock) => boolean,
  ): Promise<Lock | LockRefusal> {
    const { holder } = request;
    const seconds = this.#secondsFor(holder, request.seconds);
    let hasRemoved = false;
    for (let tries = 0; tries < GRANT_TRIES; tries++) {
      await this.#releaseEnded(() => this.#against(request));
      const conflicts = this.#against(request).filter((lock) => this.#isInForce(lock));
      const kept = conflicts.find((lock) => !isReplaced(lock));
      if (kept !== undefined && tries > 0) return { conflict: kept };
      const { path, depth, exclusive, owner } = request;
      const outcome = await this.#records.grant({
        token,
        path,
        depth,
        exclusive,
        owner,
        holder: writeCaller(holder, this.#options.accountMark?.(holder)),
        credential: credentialKey(holder),
        seconds,
        ...this.#limitsFor(holder),
        replaced: kept === undefined ? conflicts.map((lock) => lock.token) : [],
      });
      if (outcome.kind === "granted") {
        const granted = this.#find(token);
        if (granted !== undefined) return granted;
        // Its time is over, or another caller has ended it since.
        return { ...request, token, seconds, expires: this.#options.monotonic() };
      }
      if (outcome.kind !== "conflict") {
        const removed = hasRemoved ? 0 : await this.#releaseEnded(() => this.#all());
        if (removed === 0) {
          this.#refused += 1;
          return { full: outcome.kind };
        }
        hasRemoved = true;
      }
    }
    throw new StoreError("busy", `Cannot lock ${request.path}: its locks change all the time`);
  }

  async refresh(lock: Lock, seconds: number): Promise<Lock | undefined> {
    const lasting = this.#secondsFor(lock.holder, seconds);
    const isRefreshed = await this.#records.refresh(lock.token, lasting);
    return isRefreshed ? this.#find(lock.token) : undefined;
  }

  async release({ token }: Lock): Promise<void> {
    await this.#records.release([token]);
  }

  async abandon(lock: Lock): Promise<void> {
    // Safe to ignore: it ends later.
    await this.release(lock).catch(() => this.#records.abandon(lock.token));
  }

  async releaseAt(path: string, tree = false): Promise<void> {
    // By their tokens: the path can have a new lock by now, which another server has granted.
    const below = tree ? locksBelow(this.#roots, path) : [];
    const locks = [...this.#roots.get(path) ?? [], ...below];
    await this.#records.release(locks.map(({ token }) => token));
  }

  removeEnded(): void {
    // Safe to ignore: the locks do not count any more here, and end everywhere when their time is over.
    this.#releaseEnded(() => this.#all()).catch(() => {});
  }

  /** Ends those locks whose holders have no credential any more; returns their number. */
  async #releaseEnded(locks: () => readonly Lock[]): Promise<number> {
    if (this.#endedIn(locks()).length === 0) return 0;
    await this.#options.follow?.();
    const ended = this.#endedIn(locks());
    await this.#records.release(ended);
    return ended.length;
  }

  /** Takes over what was read from the store. */
  #load({ isWhole, changed, ended }: LockChanges): void {
    const tokens = isWhole ? new Set(changed.map(({ token }) => token)) : undefined;
    const gone = tokens === undefined
      ? ended
      : [...this.#locks.keys(), ...this.#holders.keys()].filter((token) => !tokens.has(token));
    for (const token of gone) {
      this.#remove(token);
      if (!this.#granting.has(token)) this.#holders.delete(token);
    }
    for (const record of changed) {
      this.#remove(record.token);
      const lock = this.#toLock(record);
      this.#locks.set(lock.token, lock);
      this.#roots.set(lock.path, [...this.#roots.get(lock.path) ?? [], lock]);
    }
  }

  #remove(token: string): void {
    const lock = this.#locks.get(token);
    if (lock === undefined) return;
    this.#locks.delete(token);
    const others = (this.#roots.get(lock.path) ?? []).filter((other) => other !== lock);
    if (others.length === 0) this.#roots.delete(lock.path);
    else this.#roots.set(lock.path, others);
  }

  #toLock(record: LockRecord): Lock {
    const { token, path, depth, exclusive, owner, seconds } = record;
    const holder = this.#holders.get(token) ?? readCaller(record.holder);
    const expires = this.#options.monotonic() + this.#records.msLeft(record);
    return { token, path, depth, exclusive, owner, holder, seconds, expires };
  }

  #all(): Lock[] {
    return [...this.#locks.values()];
  }

  #find(token: string): Lock | undefined {
    return this.#locks.get(token);
  }

  /** Returns the locks that are not compatible with a request. */
  #against({ path, depth, exclusive }: LockRequest): Lock[] {
    const covering = locksCovering(this.#roots, path);
    const others = depth === "infinity"
      ? [...covering, ...locksBelow(this.#roots, path)]
      : covering;
    return others.filter((lock) => lock.exclusive || exclusive);
  }

  /** Returns the tokens of the locks whose credential or plugin has ended. */
  #endedIn(locks: readonly Lock[]): string[] {
    const { secondsLeft, hasPluginEnded } = this.#options;
    const ended = locks.filter(({ holder }) =>
      secondsLeft(holder) <= 0 || hasPluginEnded?.(holder) === true
    );
    return ended.map(({ token }) => token);
  }

  #isInForce({ holder, expires }: Lock): boolean {
    return expires > this.#options.monotonic() && this.#options.secondsLeft(holder) > 0;
  }

  /** A lock never lasts longer than the credential of its holder. */
  #secondsFor(holder: Caller, seconds: number): number {
    return Math.max(1, Math.floor(Math.min(seconds, this.#options.secondsLeft(holder))));
  }

  #limitsFor(holder: Caller) {
    const { maxPerCredential, limits: { locks, sharedLocks } = DAV_LIMITS } = this.#options;
    const reserved = holder.tier === "T3" ? 0 : Math.min(maxPerCredential, locks / 2);
    return { maxPerCredential, maxLocks: Math.floor(locks - reserved), maxPerPath: sharedLocks };
  }
}
