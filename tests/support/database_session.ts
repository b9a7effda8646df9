/** Sessions of a test with a database: of the tables of a store, or an empty one of its own. */

import {
  openSession,
  type Session,
  type SessionOptions,
  type SessionTarget,
} from "../../lib/world/postgres/session.ts";
import { parseStoreUrl } from "../../lib/world/postgres/store_url.ts";
import { withQuery } from "./intercepted_session.ts";
import type { PostgresServers } from "./postgres_servers.ts";

/** Milliseconds for the opening of a session and for a statement: they only end a test that would never end. */
export const PATIENT_MS = 120_000;

/**
 * Opens a session whose deadlines do not depend on the speed of the computer. It can hold locks in a transaction
 * for as long as a test needs; the server would end a session of a node that does nothing in one for 2 s.
 */
export async function openPatiently(
  target: SessionTarget,
  { settings, ...options }: SessionOptions = {},
): Promise<Session> {
  const session = await openSession(target, {
    openMs: PATIENT_MS,
    settings: { idle_in_transaction_session_timeout: "0", ...settings },
    ...options,
  });
  return withQuery(
    session,
    (text, values, deadlineMs = PATIENT_MS) => session.query(text, values, deadlineMs),
  );
}

/**
 * Calls `use` with a session and removes the database afterwards.
 */
export async function withDatabaseSession<T>(
  servers: PostgresServers,
  use: (session: Session, database: string) => Promise<T>,
): Promise<T> {
  const database = await servers.createDatabase();
  try {
    const session = await openDatabase(servers, database);
    try {
      return await use(session, database);
    } finally {
      session.drop();
    }
  } finally {
    await servers.dropDatabase(database);
  }
}

/** Opens a session with a database. */
export async function openDatabase(
  servers: PostgresServers,
  database: string,
  user?: string,
): Promise<Session> {
  const store = parseStoreUrl(servers.url(database, undefined, user));
  const [host] = store.hosts;
  if (host === undefined) throw new Error("no host");
  return await openPatiently({ store, host });
}
