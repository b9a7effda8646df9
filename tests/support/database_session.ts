/** A session with an empty database of its own, for tests of what a session does. */

import { openSession, type Session } from "../../lib/world/postgres/session.ts";
import { parseStoreUrl } from "../../lib/world/postgres/store_url.ts";
import type { PostgresServers } from "./postgres_servers.ts";

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

/**
 * Opens a session with a database. It can hold locks in a transaction for as long as a test needs, on a slow
 * computer too; the server would end a session of a node that does nothing in one.
 */
export async function openDatabase(
  servers: PostgresServers,
  database: string,
  user?: string,
): Promise<Session> {
  const store = parseStoreUrl(servers.url(database, undefined, user));
  const [host] = store.hosts;
  if (host === undefined) throw new Error("no host");
  const settings = { idle_in_transaction_session_timeout: "0" };
  return await openSession({ store, host }, { settings });
}
