/**
 * A few sessions with one server, each for one caller at a time. Sessions open when they are needed and
 * stay open. A session that ends is replaced by the next caller's; the pool never repeats a query and
 * never changes the server.
 *
 * A server that commits does not notice that its client has gone: it waits for its standby, and keeps the
 * session for that time. So sessions that ended during a statement still count, until the server says that
 * it has ended them. Otherwise new ones would take all sessions of the server, also those that an
 * orchestrator needs to give it a standby again.
 */

import { ABANDONED_LOOK_MS } from "../../cluster_limits.ts";
import { type Session, SessionError } from "./session.ts";

/**
 * Those of some processes that the server still works for. Each was there that many milliseconds ago: a later
 * one can have its number. An idle one ends at once.
 */
const STILL_BUSY = `SELECT x.pid FROM unnest($1::int[], $2::float8[]) AS x(pid, ms)
  JOIN pg_stat_activity a ON a.pid = x.pid AND a.state IS DISTINCT FROM 'idle'
    AND a.backend_start <= clock_timestamp() - make_interval(secs => x.ms / 1000)`;

/** Sessions with one server. */
export interface SessionPool {
  /**
   * Calls a function with a session of its own, in the order of the calls. The session returns to the
   * pool afterwards, unless it has ended or is inside of a transaction then; such a session is dropped.
   *
   * @throws {SessionError} `refused` or `late` if no session could be opened, `refused` also if the server is
   * still at work for too many earlier ones
   */
  use<T>(run: (session: Session) => Promise<T>): Promise<T>;
  /** Drops every session at once; what is under way is rejected as `lost`, what waits as `refused`. */
  close(): void;
}

/** A caller that waits for a session. */
interface Waiter {
  take(session: Session | undefined): void;
  refuse(error: SessionError): void;
}

/**
 * Creates a pool.
 *
 * @param open opens a session with the server
 * @param size most sessions
 */
export function createSessionPool(open: () => Promise<Session>, size: number): SessionPool {
  return new OpenSessions(open, size);
}

class OpenSessions implements SessionPool {
  readonly #open: () => Promise<Session>;
  readonly #size: number;
  readonly #all = new Set<Session>();
  readonly #idle: Session[] = [];
  readonly #waiting: Waiter[] = [];
  /** Sessions that are open, in use or about to open. */
  #places = 0;
  /** Processes of the server whose sessions ended during a statement, and when they did. */
  readonly #abandoned = new Map<number, number>();
  /** Whether a session is open for a moment to ask which of these have ended, and when the next one may be. */
  #isLooking = false;
  #nextLook = -Infinity;
  #isClosed = false;

  constructor(open: () => Promise<Session>, size: number) {
    this.#open = open;
    this.#size = size;
  }

  async use<T>(run: (session: Session) => Promise<T>): Promise<T> {
    const session = await this.#take();
    try {
      return await run(session);
    } finally {
      this.#release(session);
    }
  }

  close(): void {
    this.#isClosed = true;
    for (const { refuse } of this.#waiting.splice(0)) refuse(closed());
    for (const session of this.#all) session.drop();
    this.#all.clear();
    this.#idle.length = 0;
  }

  async #take(): Promise<Session> {
    if (this.#isClosed) throw closed();
    let session = this.#nextIdle();
    if (session !== undefined) return session;
    if (this.#places < this.#size) this.#places += 1;
    else {
      session = await new Promise<Session | undefined>((take, refuse) => {
        this.#waiting.push({ take, refuse });
      });
      if (session !== undefined) return session;
    }
    return await this.#create();
  }

  /** Opens a session for a place that the caller has. */
  async #create(): Promise<Session> {
    try {
      if (!this.#isCrowded) return await this.#connect();
      if (this.#isLooking || performance.now() < this.#nextLook) throw this.#crowded();
      this.#isLooking = true;
      try {
        return await this.#look(await this.#connect());
      } finally {
        this.#isLooking = false;
      }
    } catch (error) {
      this.#leave();
      throw error;
    }
  }

  async #connect(): Promise<Session> {
    const session = await this.#open();
    if (this.#isClosed) {
      session.drop();
      throw closed();
    }
    // The server has ended the session that had this process before.
    this.#abandoned.delete(session.pid);
    this.#all.add(session);
    return session;
  }

  /** Whether another session would be one too many for the server. */
  get #isCrowded(): boolean {
    return this.#abandoned.size > 0 && this.#places + this.#abandoned.size > this.#size;
  }

  /** Asks on a new session which abandoned ones the server still has. Ends it if there are too many. */
  async #look(session: Session): Promise<Session> {
    try {
      const now = performance.now();
      const pids = [...this.#abandoned.keys()];
      const ages = [...this.#abandoned.values()].map((at) => now - at);
      const rows = await session.query(STILL_BUSY, [pids, ages]);
      const busy = new Set(rows.map(({ pid }) => pid));
      for (const pid of pids) if (!busy.has(pid)) this.#abandoned.delete(pid);
      if (!this.#isCrowded) return session;
    } catch (error) {
      if (!(error instanceof SessionError)) throw error;
    }
    session.drop();
    this.#all.delete(session);
    this.#nextLook = performance.now() + ABANDONED_LOOK_MS;
    throw this.#crowded();
  }

  #crowded(): SessionError {
    return new SessionError(
      "refused",
      `the database still works on ${this.#abandoned.size} earlier sessions of the server; commits may wait ` +
        "for a standby",
    );
  }

  #nextIdle(): Session | undefined {
    // The one that was used last: the others may be lost without notice.
    for (let session = this.#idle.pop(); session !== undefined; session = this.#idle.pop()) {
      if (session.isOpen) return session;
      this.#all.delete(session);
      this.#places -= 1;
    }
    return undefined;
  }

  #release(session: Session): void {
    if (session.isOpen && session.inTransaction) session.drop();
    if (!session.isOpen) {
      // The caller has it, so a statement can be under way. 0: the process is not known.
      if (session.pid > 0) this.#abandoned.set(session.pid, performance.now());
      this.#all.delete(session);
      this.#leave();
      return;
    }
    const next = this.#waiting.shift();
    if (next === undefined) this.#idle.push(session);
    else next.take(session);
  }

  /** Gives a place without a session to the next caller, which opens its own. */
  #leave(): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#places -= 1;
    else next.take(undefined);
  }
}

function closed(): SessionError {
  return new SessionError("refused", "the sessions with this server are closed");
}
