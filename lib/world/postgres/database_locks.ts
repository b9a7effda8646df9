/**
 * The WebDAV locks of a node: the rows of the database in memory, with the version of the guard that
 * belongs to them. A batch that was judged by these locks names this version, so the database refuses it
 * if a lock was granted in between.
 *
 * A read costs in proportion to what has changed since the one before. All locks are read at the start,
 * after a change of the primary, and if the database no longer knows what has ended.
 */

import type {
  GrantOutcome,
  LockChanges,
  LockRecord,
  LockRecords,
  WantedLock,
} from "../lock_records.ts";
import { LOCK_PRUNE_MS } from "../../cluster_limits.ts";
import type { JudgedCalls } from "./judged_calls.ts";
import { StoreError } from "../store.ts";
import { type Link, toUnknown } from "./link.ts";
import { LIST_LOCKS } from "./lock_sql.ts";
import { readNumber, readString } from "./records.ts";
import type { PgRow, PgValue } from "./session.ts";

const GRANT = `SELECT outcome, conflict
  FROM elastik.dav_grant_1($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)`;
const REFRESH = "SELECT elastik.dav_refresh_1($1, $2, $3) AS guard";
const RELEASE = "SELECT elastik.dav_release_1($1) AS guard";
const WITHDRAW = "SELECT elastik.dav_withdraw_1($1) AS guard";

/** The locks of one node. */
export class DatabaseLocks implements LockRecords {
  readonly #link: Pick<Link, "ask">;
  readonly #calls: Pick<JudgedCalls, "ask">;
  readonly #ends = new Map<string, number>();
  readonly #listeners: ((changes: LockChanges) => void)[] = [];
  readonly #records = new Map<string, LockRecord>();
  #version = 0;
  /** Whether memory can have what the database does not have: the next read reads all locks. */
  #isUnknown = true;
  /** How often that was found from outside: a read that began before it does not end it. */
  #doubts = 0;
  /** Whether the last read failed, so that memory lacks what it was told of. */
  #isLate = false;
  #prunedAt = 0;
  /** Tokens that no client got, whose locks may exist. */
  readonly #abandoned = new Set<string>();
  #isWithdrawing = false;
  #running: Promise<void> | undefined;
  #next: Promise<void> | undefined;

  /**
   * @param link the primary
   * @param calls sends what a request changes
   */
  constructor(link: Pick<Link, "ask">, calls: Pick<JudgedCalls, "ask">) {
    this.#link = link;
    this.#calls = calls;
  }

  /** -1 until the locks of another primary are known: the old one can have had a number that no lock has. */
  get version(): number {
    return this.#isUnknown ? -1 : this.#version;
  }

  get records(): Iterable<LockRecord> {
    return this.#records.values();
  }

  /**
   * Returns what must be waited for until memory has all that the node was told of; undefined if it has. A
   * read that failed is made again.
   */
  whenCurrent(): Promise<void> | undefined {
    return this.#next ?? this.#running ?? (this.#isLate ? this.read() : undefined);
  }

  msLeft({ token }: LockRecord): number {
    return (this.#ends.get(token) ?? 0) - performance.now();
  }

  onRead(listener: (changes: LockChanges) => void): void {
    this.#listeners.push(listener);
  }

  /** Reads all locks: another server is the primary now, which may not have every change of the old one. */
  readAll(): Promise<void> {
    this.#isUnknown = true;
    this.#doubts += 1;
    return this.read();
  }

  read(): Promise<void> {
    // Reads follow each other, so the newest state comes last. Callers that wait share the next read.
    if (this.#running !== undefined) {
      const begin = () => {
        this.#next = undefined;
        return this.#begin();
      };
      return this.#next ??= this.#running.then(begin, begin);
    }
    return this.#begin();
  }

  async grant(wanted: WantedLock): Promise<GrantOutcome> {
    const { token, path, depth, exclusive, owner, holder, credential, seconds } = wanted;
    const { maxPerCredential, maxLocks, maxPerPath, replaced } = wanted;
    const lock = [token, path, depth, exclusive, owner, holder, credential, seconds];
    const limits = [maxPerCredential, maxLocks, maxPerPath, replaced];
    const isGranted = ({ outcome }: PgRow) => outcome === "granted";
    const row = await this.#judge(GRANT, [...lock, ...limits], isGranted).catch((error) => {
      if (error instanceof StoreError && error.code === "unknown") this.abandon(token);
      throw error;
    });
    const kind = readString(row, "outcome");
    if (kind === "conflict") return { kind, token: readString(row, "conflict") };
    if (kind === "granted" || kind === "credential" || kind === "server") return { kind };
    throw new TypeError(`Column outcome is ${kind}`);
  }

  async refresh(token: string, seconds: number): Promise<boolean> {
    const isRefreshed = ({ guard }: PgRow) => guard !== null;
    return isRefreshed(await this.#judge(REFRESH, [token, seconds], isRefreshed));
  }

  async release(tokens: readonly string[]): Promise<void> {
    // A request also ends the lock that it has no right to any more.
    if (tokens.length === 0) return;
    await this.#link.ask("write", (session) => session.query(RELEASE, [tokens]));
    await this.#readChanged();
  }

  abandon(token: string): void {
    this.#abandoned.add(token);
  }

  /** Does what a failure has left to do; called whenever the database was reached. */
  catchUp(): void {
    // Safe to ignore: the next call tries again.
    this.whenCurrent()?.catch(() => {});
    if (this.#abandoned.size === 0 || this.#isWithdrawing) return;
    this.#isWithdrawing = true;
    // Safe to ignore, too.
    this.#withdraw().catch(() => {}).finally(() => this.#isWithdrawing = false);
  }

  async #withdraw(): Promise<void> {
    const tokens = [...this.#abandoned];
    await this.#link.ask("write", (session) => session.query(WITHDRAW, [tokens]));
    for (const token of tokens) this.#abandoned.delete(token);
    await this.read();
  }

  /** Changes a lock for a request. It can be repeated: it names the lock by its token. */
  async #judge(
    text: string,
    values: readonly PgValue[],
    isChange: (row: PgRow) => boolean,
  ): Promise<PgRow> {
    const row = await this.#calls.ask(async (session, { authority }) => {
      const [row = {}] = await session.query(text, [...values, authority]);
      return row;
    }, isChange);
    await this.#readChanged();
    return row;
  }

  /** Reads what this node has changed. @throws {StoreError} `unknown`: it is changed, but not in memory */
  async #readChanged(): Promise<void> {
    try {
      await this.read();
    } catch (error) {
      throw toUnknown(error);
    }
  }

  #begin(): Promise<void> {
    const run = this.#read().then(() => {
      this.#isLate = false;
    }, (error) => {
      this.#isLate = true;
      throw error;
    }).finally(() => {
      if (this.#running === run) this.#running = undefined;
    });
    return this.#running = run;
  }

  async #read(): Promise<void> {
    for (;;) {
      const isWhole = this.#isUnknown;
      const known = isWhole ? 0 : this.#version;
      const doubts = this.#doubts;
      const rows = await this.#link.ask("read", (session) => session.query(LIST_LOCKS, [known]));
      // The primary was changed during the read.
      if (doubts !== this.#doubts) continue;
      const [first = {}] = rows;
      const guard = readNumber(first, "guard");
      // Memory is from before what the database still knows.
      if (!isWhole && (readNumber(first, "floor") > known || guard < known)) this.#isUnknown = true;
      if (this.#isUnknown && !isWhole) continue;
      this.#isUnknown = false;
      this.#apply(rows, isWhole, guard);
      return;
    }
  }

  #apply(rows: readonly PgRow[], isWhole: boolean, guard: number): void {
    // The time on the way is added: a node must not end a lock before the database does.
    const now = performance.now();
    const changed: LockRecord[] = [];
    const ended = isWhole ? [] : this.#prune(now);
    if (isWhole) {
      this.#ends.clear();
      this.#records.clear();
    }
    for (const row of rows) {
      if (row.token === null) continue;
      const token = readString(row, "token");
      this.#ends.delete(token);
      this.#records.delete(token);
      if (row.path === null) {
        ended.push(token);
        continue;
      }
      const record = toRecord(row);
      changed.push(record);
      this.#records.set(token, record);
      this.#ends.set(token, now + Number(row.seconds_left) * 1000);
    }
    this.#version = guard;
    for (const listener of this.#listeners) listener({ isWhole, changed, ended });
  }

  /** Removes the locks whose time is over, now and then, and returns their tokens. */
  #prune(now: number): string[] {
    if (now < this.#prunedAt + LOCK_PRUNE_MS) return [];
    this.#prunedAt = now;
    const tokens: string[] = [];
    for (const [token, end] of this.#ends) if (end <= now) tokens.push(token);
    for (const token of tokens) {
      this.#ends.delete(token);
      this.#records.delete(token);
    }
    return tokens;
  }
}

/** @throws {TypeError} if a column does not have its type */
function toRecord(row: PgRow): LockRecord {
  return {
    token: readString(row, "token"),
    path: readString(row, "path"),
    depth: readString(row, "depth") === "0" ? "0" : "infinity",
    exclusive: row.exclusive === true,
    owner: readString(row, "owner"),
    holder: readString(row, "holder"),
    seconds: readNumber(row, "seconds"),
  };
}
