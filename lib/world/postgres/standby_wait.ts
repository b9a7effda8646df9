/**
 * Finds out whether commits wait for a synchronous standby. A server in this state answers every query
 * and says nothing about it: a commit has no answer, for as long as no standby confirms it.
 */

import { CONNECTED_STANDBY_MS, STANDBY_LOOK_MS, STANDBY_WAIT_MS } from "../../cluster_limits.ts";
import { type PgRow, type PgValue, type Session, SessionError } from "./session.ts";

/** Code of the error of a command whose commit waits, or that waits for the locks of one that does. */
export const COMMIT_WAITS = "standby";
/** The outcome of a commit that waits, as the end of a sentence. */
const OUTCOME = "; what was done is on the disk of the primary, and takes effect then";

/**
 * Returns an expression of SQL: `synchronous_standby_names` if the role can see a commit that waits for a
 * standby for longer than some time, else NULL.
 */
export function findStandbyWait(ms: number): string {
  return `(SELECT nullif(current_setting('synchronous_standby_names'), '') FROM pg_stat_activity
    WHERE wait_event = 'SyncRep' AND datname = current_database()
      AND query_start < clock_timestamp() - interval '${ms} ms' LIMIT 1)`;
}

/**
 * The commit of one session. A standby that is connected can be late, and gets more time. A role that may
 * not see which of them are synchronous counts all.
 */
const OWN_WAIT = `SELECT current_setting('synchronous_standby_names') AS names,
    query_start < clock_timestamp() - interval '${CONNECTED_STANDBY_MS} ms' OR NOT EXISTS (
      SELECT FROM pg_stat_replication WHERE sync_state IS NULL OR sync_state IN ('sync', 'quorum')
    ) AS is_over
  FROM pg_stat_activity WHERE pid = $1 AND wait_event = 'SyncRep'`;

/** The reason and the remedy, as a part of a sentence. */
export function describeStandbyWait(names: string): string {
  return `commits wait for a synchronous standby (synchronous_standby_names is ${names}); start the ` +
    "standby, or change this setting";
}

/**
 * Asks whether commits that the role can see wait for longer than some time.
 *
 * @returns the reason and the remedy; undefined if none waits
 */
export async function readStandbyWait(session: Session, ms: number): Promise<string | undefined> {
  const [row] = await session.query(`SELECT ${findStandbyWait(ms)} AS names`);
  return typeof row?.names === "string" ? describeStandbyWait(row.names) : undefined;
}

/**
 * Returns a session for a command of the operator, which must not wait for a standby without end. Its
 * queries reject with the code {@link COMMIT_WAITS}, and the session is dropped, if a commit waits for a
 * standby that is not connected, or for longer than the query may take.
 *
 * @param open opens another session with the same server, for a moment
 * @param lookMs milliseconds between two looks at a query that has no answer
 */
export function watchStandby(
  session: Session,
  open: () => Promise<Session>,
  lookMs = STANDBY_LOOK_MS,
): Session {
  return new WatchedSession(session, open, lookMs);
}

class WatchedSession implements Session {
  readonly #session: Session;
  readonly #open: () => Promise<Session>;
  readonly #lookMs: number;
  /** Why the session was dropped; queries that travelled with the one that waits have the same reason. */
  #reason: Promise<string | undefined> | undefined;

  constructor(session: Session, open: () => Promise<Session>, lookMs: number) {
    this.#session = session;
    this.#open = open;
    this.#lookMs = lookMs;
  }

  get isOpen(): boolean {
    return this.#session.isOpen;
  }

  get inTransaction(): boolean {
    return this.#session.inTransaction;
  }

  get pid(): number {
    return this.#session.pid;
  }

  drop(): void {
    this.#session.drop();
  }

  async query(
    text: string,
    values?: readonly PgValue[],
    deadlineMs?: number,
  ): Promise<readonly PgRow[]> {
    const stopLooking = this.#look();
    try {
      return await this.#session.query(text, values, deadlineMs);
    } catch (error) {
      if (!(error instanceof SessionError) || !error.isUnknown) throw error;
      const reason = await (this.#reason ??= readWait(this.pid, this.#open, true));
      throw reason === undefined ? error : new SessionError(COMMIT_WAITS, reason);
    } finally {
      await stopLooking();
    }
  }

  /** Drops the session if a look finds that it waits. Returns what ends the looks. */
  #look(): () => Promise<void> {
    let hasEnded = false;
    let looking: Promise<void> | undefined;
    const look = async () => {
      const reason = await readWait(this.pid, this.#open, false);
      if (hasEnded) return;
      if (reason === undefined) timer = startTimer();
      else {
        this.#reason ??= Promise.resolve(reason);
        this.drop();
      }
    };
    const startTimer = () => setTimeout(() => looking = look(), this.#lookMs);
    let timer = startTimer();
    return async () => {
      hasEnded = true;
      clearTimeout(timer);
      await looking;
    };
  }
}

/**
 * Looks at one session from another one. A look that fails is repeated later.
 *
 * @param isLate whether the time of the query is over, also for a standby that is connected
 */
async function readWait(
  pid: number,
  open: () => Promise<Session>,
  isLate: boolean,
): Promise<string | undefined> {
  try {
    const session = await open();
    try {
      const [row] = await session.query(OWN_WAIT, [pid]);
      if (row?.is_over === true || isLate && row !== undefined) {
        return describeStandbyWait(String(row.names)) + OUTCOME;
      }
      // It can wait for a lock that the session of another commit keeps.
      return isLate ? await readStandbyWait(session, STANDBY_WAIT_MS) : undefined;
    } finally {
      session.drop();
    }
  } catch (error) {
    if (error instanceof SessionError) return undefined;
    throw error;
  }
}
