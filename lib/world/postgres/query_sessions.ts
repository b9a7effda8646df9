/**
 * What the reading side of the engine needs of sessions with the database, and how it reads their rows.
 * A session that is lost or late rejects with an error of its own, which is passed on.
 */

/** A value that a statement gets. */
export type QueryValue =
  | string
  | number
  | bigint
  | boolean
  | null
  | Uint8Array
  | readonly QueryValue[];

/** A row of a result. */
export type QueryRow = Readonly<Record<string, unknown>>;

/** One session. */
export interface QuerySession {
  /**
   * Runs one statement.
   *
   * @param deadlineMs the session is dropped if the statement takes longer, in milliseconds
   */
  query(
    text: string,
    values?: readonly QueryValue[],
    deadlineMs?: number,
  ): Promise<readonly QueryRow[]>;
}

/** Lends sessions with the primary, one user at a time each. */
export interface QuerySessions {
  use<T>(run: (session: QuerySession) => Promise<T>): Promise<T>;
}

/**
 * Runs queries on one consistent state of the database.
 *
 * @param idleMs the server ends the session if this process does not use it for so long
 */
export async function readConsistently<T>(
  session: QuerySession,
  idleMs: number,
  read: () => Promise<T>,
): Promise<T> {
  const begin = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
  return await inTransaction(session, begin, idleMs, read);
}

/** Runs queries in one transaction that can change rows; see {@link readConsistently}. */
export async function transact<T>(
  session: QuerySession,
  idleMs: number,
  change: () => Promise<T>,
): Promise<T> {
  return await inTransaction(session, "BEGIN", idleMs, change);
}

async function inTransaction<T>(
  session: QuerySession,
  begin: string,
  idleMs: number,
  run: () => Promise<T>,
): Promise<T> {
  let result: T;
  try {
    // They travel with the first statement; what fails fails that one, too. The setting ends with the
    // transaction.
    const begun = [session.query(begin), session.query(SET_IDLE, [String(idleMs)])];
    [result] = await Promise.all([run(), ...begun]);
  } catch (error) {
    try {
      await session.query("ROLLBACK");
    } catch {
      // The session is lost, and its transaction with it; the first error says why.
    }
    throw error;
  }
  await session.query("COMMIT");
  return result;
}

const SET_IDLE = `SELECT set_config('idle_in_transaction_session_timeout', $1, true)`;

/** Reads a column with bytes; no bytes for NULL. */
export function columnBytes(value: unknown): Uint8Array<ArrayBuffer> {
  return value instanceof Uint8Array ? new Uint8Array(value) : new Uint8Array();
}
