/**
 * A few sessions with one server, each for one caller at a time. Sessions open when they are needed and
 * stay open. A session that ends is replaced by the next caller's; the pool never repeats a query and
 * never changes the server.
 */

import { type Session, SessionError } from "./session.ts";

/** Sessions with one server. */
export interface SessionPool {
  /**
   * Calls a function with a session of its own, in the order of the calls. The session returns to the
   * pool afterwards, unless it has ended or is inside of a transaction then; such a session is dropped.
   *
   * @throws {SessionError} `refused` or `late` if no session could be opened
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
      const session = await this.#open();
      if (this.#isClosed) {
        session.drop();
        throw closed();
      }
      this.#all.add(session);
      return session;
    } catch (error) {
      this.#leave();
      throw error;
    }
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
