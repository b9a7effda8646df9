/**
 * The link of a node with the present primary of its database: a pool of sessions for each kind of work,
 * and the search for another primary when sessions fail. A session that ends is replaced; all pools are
 * replaced only if another server, or the same one on another timeline, is the primary now.
 *
 * What was sent on a session that failed may have happened. Only reads, and statements that can be
 * repeated, may use {@link Link.ask}. Its error says whether a change may have been made.
 */

import {
  BUSY_ANSWER_MS,
  DATABASE_PATIENCE_MS,
  FEED_SESSIONS,
  LONG_SESSIONS,
  PRIMARY_ANSWER_MS,
  PRIMARY_SEARCH_PAUSE_MS,
  READ_SESSIONS,
  READ_STATEMENT_MS,
  SESSION_LOCK_MS,
  SESSION_QUERY_MS,
  SHORT_SEARCHES,
  START_ANSWER_MS,
  WRITE_SESSIONS,
} from "../../cluster_limits.ts";
import { StoreError } from "../store.ts";
import { CommitsWait } from "../commits_wait.ts";
import { Pauses } from "../store/pauses.ts";
import { findPrimary, type Primary } from "./primary.ts";
import { openSession, type Session, SessionError, type SessionOptions } from "./session.ts";
import { createSessionPool, type SessionPool } from "./session_pool.ts";
import { formatHost, type StoreHost, type StoreUrl } from "./store_url.ts";

/** Kinds of work; each has sessions of its own. */
export type LinkRole = "write" | "read" | "long" | "feed";

/** What is known of the tries of one change. */
export interface ChangeTries {
  /** Whether one of them was sent and its outcome is not known. */
  mayHaveHappened: boolean;
}

/** Options of {@link Link.connect}. */
export interface LinkOptions {
  readonly store: StoreUrl;
  /** Name of the node, for the operator of the database. */
  readonly node: string;
  /** `normal` lets the database confirm commits that no standby has. */
  readonly sync: "full" | "normal";
  /** Whether the database can notify; false polls only. */
  readonly listens: boolean;
  /** Called for each notification of the change feed, with the newest number as text. */
  readonly onNotification?: (payload: string) => void;
  /** Called after another primary was found. */
  readonly onPrimary?: () => void;
  /** Replaces the functions that reach servers. */
  readonly find?: (store: StoreUrl, above: number, deadlineMs: number) => Promise<Primary>;
  readonly open?: (host: StoreHost, options: SessionOptions) => Promise<Session>;
  /** Writes a line for the operator. */
  readonly log: (line: string) => void;
}

const SESSIONS: Readonly<Record<LinkRole, number>> = {
  write: WRITE_SESSIONS,
  read: READ_SESSIONS,
  long: LONG_SESSIONS,
  feed: FEED_SESSIONS,
};
/** Channel of the notifications of `publish_1`. */
const LISTEN = "LISTEN elastik";
/** A commit that is replicated, with all commits before it. */
const REPLICATE = `SELECT pg_logical_emit_message(true, 'elastik', '')`;

/** The primary, and the sessions with it. */
interface Connection extends Readonly<Record<LinkRole, SessionPool>> {
  readonly primary: Primary;
}

/** The link of one node. */
export class Link {
  readonly #options: LinkOptions;
  #connection: Connection;
  #searching: Promise<void> | undefined;
  #isClosed = false;
  readonly #pauses = new Pauses();
  #switches = 0;
  #searches = 0;
  /** Why the search that runs has found no primary yet; it names each host. */
  #searchFault: string | undefined;
  /** Why commits have no answer, as the last search saw it. */
  #standbyWait: string | undefined;
  readonly #sessions = new Set<Session>();

  private constructor(options: LinkOptions, primary: Primary) {
    this.#options = options;
    this.#standbyWait = primary.standbyWait;
    this.#connection = this.#connectTo(primary);
  }

  /**
   * Finds the primary.
   *
   * @throws {SessionError} `refused` if no host is the primary
   */
  static async connect(options: LinkOptions): Promise<Link> {
    for (
      let deadlineMs = PRIMARY_ANSWER_MS;;
      deadlineMs = Math.min(4 * deadlineMs, START_ANSWER_MS)
    ) {
      const began = performance.now();
      try {
        return new Link(options, await search(options, 0, deadlineMs));
      } catch (error) {
        // A host that is late can be busy, as it is when many nodes start.
        const isLate = performance.now() - began >= deadlineMs;
        if (!isLate || deadlineMs === START_ANSWER_MS) throw error;
      }
    }
  }

  /** Sessions for changes. */
  get write(): SessionPool {
    return this.#connection.write;
  }

  /** Sessions for queries. */
  get read(): SessionPool {
    return this.#connection.read;
  }

  /** Sessions for queries that take long, so that others do not wait for them. */
  get long(): SessionPool {
    return this.#connection.long;
  }

  /** The session of the change feed. */
  get feed(): SessionPool {
    return this.#connection.feed;
  }

  /** Timeline of the present primary. */
  get timeline(): number {
    return this.#connection.primary.timeline;
  }

  /** The present primary. */
  get primary(): StoreHost {
    return this.#connection.primary.host;
  }

  /** Whether commits waited for a synchronous standby when the primary was last asked what it is. */
  get commitsWait(): boolean {
    return this.#searchFault === undefined && this.#standbyWait !== undefined;
  }

  /** Why the database does not answer, or not confirm, as the newest search has found; undefined if it does. */
  get trouble(): string | undefined {
    return this.#searchFault ?? this.#standbyWait;
  }

  /**
   * Returns the error of what the database did not answer. Its message has the newest known reason: that
   * of the session can be older, and does not name the other hosts.
   *
   * @param cause why the last try failed; undefined if there was none
   * @param world canonical name of the world that could not be changed
   */
  createUnreachableError(cause?: SessionError, world?: string): StoreError {
    const reason = this.trouble ?? cause?.message ?? "it does not answer";
    const error = this.commitsWait
      ? new CommitsWait(`The database does not confirm commits: ${reason}`, world)
      : new StoreError("unreachable", `Cannot reach the database: ${reason}`, world);
    error.cause = cause;
    return error;
  }

  /** Number of open sessions. */
  get sessions(): number {
    for (const session of this.#sessions) if (!session.isOpen) this.#sessions.delete(session);
    return this.#sessions.size;
  }

  /** Number of times that another primary was found since the start. */
  get switches(): number {
    return this.#switches;
  }

  /** Searches for the primary since the start that found one, which can be the same one, perhaps restored. */
  get searches(): number {
    return this.#searches;
  }

  /**
   * Searches for the primary after a session of a pool failed, until one is found or the link is closed.
   * One search serves all callers. A pool of an earlier primary needs none.
   */
  async reconnect(failed: SessionPool): Promise<void> {
    if (!poolsOf(this.#connection).includes(failed)) return await this.#searching;
    await (this.#searching ??= this.#search().finally(() => this.#searching = undefined));
  }

  /**
   * Runs a query that can be repeated, again after each failure of a session, for a limited time.
   *
   * A change that is repeated after an unknown outcome can find that it has happened. It may be on no standby
   * yet, and what finds it changes nothing, so its commit would wait for none. Then another commit is made
   * before the answer counts.
   *
   * @param ms most milliseconds until the last attempt begins
   * @param tries what is known of earlier tries of the same change; it is kept up to date
   * @throws {StoreError} `unreachable` after that time, `closed`, `full`; `unknown` instead of any error if a
   * change may have been made, with the error as its cause
   * @throws {SessionError} if the statement itself failed
   */
  async ask<T>(
    role: LinkRole,
    run: (session: Session) => Promise<T>,
    ms = DATABASE_PATIENCE_MS,
    tries: ChangeTries = { mayHaveHappened: false },
  ): Promise<T> {
    try {
      return await this.#ask(role, run, performance.now() + ms, tries);
    } catch (error) {
      throw tries.mayHaveHappened ? toUnknown(error) : error;
    }
  }

  async #ask<T>(
    role: LinkRole,
    run: (session: Session) => Promise<T>,
    end: number,
    tries: ChangeTries,
  ): Promise<T> {
    for (let attempt = 1;; attempt++) {
      if (this.#isClosed) throw createClosedError();
      // The first session of a pool can have ended unnoticed; more failures in a row have another cause.
      if (attempt > 2) await delay(PRIMARY_SEARCH_PAUSE_MS);
      const pool = this.#connection[role];
      const { mayHaveHappened } = tries;
      let isSent = false;
      try {
        return await pool.use(async (session) => {
          isSent = true;
          if (!mayHaveHappened) return await run(session);
          const result = await run(session);
          await session.query(REPLICATE, [], SESSION_QUERY_MS);
          return result;
        });
      } catch (error) {
        const isUnknown = isSent && error instanceof SessionError && error.isUnknown;
        tries.mayHaveHappened ||= role === "write" && isUnknown;
        if (this.#isClosed && error instanceof SessionError) throw createClosedError();
        if (isSessionFailure(error)) await this.#waitForPrimary(pool, end, error);
        else if (isDiskFull(error)) throw this.#createFullError(error, role);
        else if (!isPassing(error)) throw error;
        else {
          // A change whose commit waits keeps its locks.
          if (error.code === LOCK_NOT_AVAILABLE) await this.#askPrimary(pool);
          if (performance.now() >= end) throw this.createUnreachableError(error);
        }
      }
    }
  }

  /** Returns what lends sessions for queries that can be repeated, as {@link Link.ask} does. */
  lend(role: LinkRole) {
    return { use: <T>(run: (session: Session) => Promise<T>) => this.ask(role, run) };
  }

  /** Drops all sessions. */
  close(): void {
    this.#isClosed = true;
    this.#pauses.close();
    closePools(this.#connection);
  }

  /** Waits for the primary, at most until a time. @throws {StoreError} `unreachable` */
  async #waitForPrimary(pool: SessionPool, end: number, cause: SessionError): Promise<void> {
    const left = end - performance.now();
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(this.createUnreachableError(cause)), Math.max(0, left));
    });
    try {
      await Promise.race([this.reconnect(pool), late]);
      if (left <= 0) throw this.createUnreachableError(cause);
    } finally {
      clearTimeout(timer);
    }
  }

  /** Asks the primary whether commits wait, for a limited time. */
  async #askPrimary(pool: SessionPool): Promise<void> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<void>((resolve) => timer = setTimeout(resolve, PRIMARY_ANSWER_MS));
    await Promise.race([this.reconnect(pool), late]).finally(() => clearTimeout(timer));
  }

  /** Creates the error of a full disk. A query that changes nothing needs it for its temporary files. */
  #createFullError(cause: SessionError, role: LinkRole): StoreError {
    if (role !== "write") return this.createUnreachableError(cause);
    const error = new StoreError("full", "Cannot write: the disk of the database is full");
    error.cause = cause;
    return error;
  }

  async #search(): Promise<void> {
    for (let [fault, tries] = ["", 1]; !this.#isClosed; tries++) {
      try {
        const deadlineMs = tries > SHORT_SEARCHES ? BUSY_ANSWER_MS : PRIMARY_ANSWER_MS;
        const isNew = this.#use(await search(this.#options, this.timeline, deadlineMs));
        if (fault !== "" && !isNew && !this.#isClosed) {
          this.#options.log(`the primary of the database is ${formatHost(this.primary)} again`);
        }
        return;
      } catch (error) {
        if (!(error instanceof SessionError)) throw error;
        if (error.message !== fault) this.#options.log(error.message);
        fault = this.#searchFault = error.message;
      }
      await this.#pauses.wait(PRIMARY_SEARCH_PAUSE_MS);
    }
  }

  /** Returns whether another primary, or the same one on another timeline, was found. */
  #use(found: Primary): boolean {
    if (this.#isClosed) return false;
    this.#searches++;
    this.#searchFault = undefined;
    this.#reportWait(found.standbyWait);
    const { primary } = this.#connection;
    const { host, timeline } = found;
    const isSame = primary.timeline === timeline && primary.host.host === host.host &&
      primary.host.port === host.port;
    if (isSame) return false;
    const before = this.#connection;
    this.#connection = this.#connectTo(found);
    this.#switches++;
    closePools(before);
    this.#options.log(`the primary of the database is ${formatHost(host)} now`);
    this.#options.onPrimary?.();
    return true;
  }

  /** Reports once that commits wait. */
  #reportWait(reason: string | undefined): void {
    if (reason !== undefined && this.#standbyWait === undefined) this.#options.log(reason);
    this.#standbyWait = reason;
  }

  #connectTo(primary: Primary): Connection {
    const { node, sync, listens, onNotification } = this.#options;
    const open = async (host: StoreHost, options: SessionOptions) => {
      const session = await (this.#options.open?.(host, options) ??
        openSession({ host, store: this.#options.store }, options));
      this.#sessions.add(session);
      return session;
    };
    const settings: Record<string, string> = {
      lock_timeout: String(SESSION_LOCK_MS),
      ...(sync === "full" ? {} : { synchronous_commit: "local" }),
    };
    // Without statistics, as after the start under load, a plan would read all rows of a table.
    const byKey = { ...settings, enable_seqscan: "off" };
    const openFor = (role: LinkRole) => async () => {
      if (role === "write") return await open(primary.host, { node, settings: byKey });
      if (role !== "feed") {
        const reading = { ...settings, statement_timeout: String(READ_STATEMENT_MS) };
        return await open(primary.host, { node, settings: reading });
      }
      const session = await open(primary.host, {
        node,
        settings: byKey,
        ...(onNotification === undefined ? {} : { onNotification }),
      });
      if (!listens) return session;
      try {
        await session.query(LISTEN);
        return session;
      } catch (error) {
        session.drop();
        throw error;
      }
    };
    const poolOf = (role: LinkRole) => createSessionPool(openFor(role), SESSIONS[role]);
    return {
      primary,
      write: poolOf("write"),
      read: poolOf("read"),
      long: poolOf("long"),
      feed: poolOf("feed"),
    };
  }
}

function search(
  { store, find }: LinkOptions,
  above: number,
  deadlineMs = PRIMARY_ANSWER_MS,
): Promise<Primary> {
  return find === undefined
    ? findPrimary(store, { above, deadlineMs })
    : find(store, above, deadlineMs);
}

function poolsOf({ write, read, long, feed }: Connection): readonly SessionPool[] {
  return [write, read, long, feed];
}

function closePools(connection: Connection): void {
  for (const pool of poolsOf(connection)) pool.close();
}

function delay(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/**
 * Whether an error is one of the session and not of the statement: what was sent may have happened, and
 * another session or another server can answer.
 */
export function isSessionFailure(error: unknown): error is SessionError {
  return error instanceof SessionError &&
    // 25006: the server became a standby. 53300: it has no session left.
    ["lost", "late", "refused", "25006", "53300"].includes(error.code);
}

/** Whether a statement failed for a reason that passes: a conflict, a cancelled query, too few resources. */
function isPassing(error: unknown): error is SessionError {
  return error instanceof SessionError && PASSING.test(error.code);
}

function isDiskFull(error: unknown): error is SessionError {
  return error instanceof SessionError && error.code === "53100";
}

const LOCK_NOT_AVAILABLE = "55P03";
/** SQLSTATEs: serialization failure, deadlock, lock not available, query cancelled, resources. */
const PASSING = /^(?:40001|40P01|55P03|57014|53[024]00)$/;

/**
 * Returns the error of a change that may have been made, or may yet be.
 *
 * @param cause why its outcome is not known
 */
export function toUnknown(cause: unknown): StoreError {
  if (cause instanceof StoreError && cause.code === "unknown") return cause;
  const reason = cause instanceof Error ? cause.message : String(cause);
  const error = new StoreError("unknown", `The change may have been made: ${reason}`);
  error.cause = cause;
  return error;
}

/** Creates the error of everything that is asked of a store that is closing. */
export function createClosedError(): StoreError {
  return new StoreError("closed", "Cannot use the store: the server is stopping");
}
