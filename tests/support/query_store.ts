/**
 * Databases of the PostgreSQL engine for tests of its queries: created from the schema, filled by an
 * import of a data folder that a `SqliteStore` has written, so that both engines can be compared.
 */

import { acquireDataFolder } from "../../lib/world/file/data_folder.ts";
import { createLowerLayer } from "../../lib/world/lower_layer.ts";
import {
  importIntoStore,
  type StoreImportOptions,
  type StoreImportResult,
} from "../../lib/world/postgres/import_store.ts";
import { keyCheckOf } from "../../lib/world/postgres/machine.ts";
import { createSessionPool, type SessionPool } from "../../lib/world/postgres/session_pool.ts";
import type { Store } from "../../lib/world/store.ts";
import { openSqliteStore } from "../../lib/world/store/sqlite_store.ts";
import type { SqliteStoreOptions } from "../../lib/world/store/sqlite_store_options.ts";
import { PostgresDatabase } from "./postgres_database.ts";
import type { PostgresServers } from "./postgres_servers.ts";
import { STORE_WORKER } from "./store_worker.ts";
import { withTempFolder } from "./temp_folder.ts";

/** Signing key of the stores. */
export const QUERY_KEY = "the key of the sample";
/** Worlds that only T3 can read, in these tests. */
export const isRestricted = (name: string) => name.startsWith("etc/");

/** Longest wait for a condition, in milliseconds: it only ends a test that would never end. */
const MAX_WAIT_MS = 120_000;

/** Settings of a store that differ from the defaults. */
export type SqliteOptions =
  & Partial<Omit<SqliteStoreOptions, "lower">>
  & { readonly lower?: Readonly<Record<string, string>> };

/** Opens a store on a data folder. */
export function openSqlite(
  data: string,
  { lower = {}, ...options }: SqliteOptions = {},
): Promise<Store> {
  return openSqliteStore({
    folder: acquireDataFolder(data),
    key: QUERY_KEY,
    lower: createLowerLayer(lower, "2026-01-01T00:00:00.000Z"),
    workerUrl: STORE_WORKER,
    isRestricted,
    ...options,
  });
}

/** Calls `use` with sessions of a new database with the schema. */
export async function withDatabase<T>(
  server: PostgresServers,
  use: (sessions: SessionPool) => Promise<T>,
): Promise<T> {
  await using database = await PostgresDatabase.create(server);
  const pool = createSessionPool(() => database.open(), 4);
  try {
    await pool.use((session) =>
      session.query("UPDATE elastik.machine SET key_check = $1", [keyCheckOf(QUERY_KEY)])
    );
    return await use(pool);
  } finally {
    pool.close();
  }
}

/** Imports a data folder. */
export function importFolder(
  data: string,
  sessions: SessionPool,
  options: Partial<StoreImportOptions> = {},
): Promise<StoreImportResult> {
  return importIntoStore({ data, sessions, key: QUERY_KEY, isRestricted, ...options });
}

/** Calls `use` with a filled data folder, which no store uses, and a database with an import of it. */
export function withImport<T>(
  server: PostgresServers,
  fill: (store: Store) => Promise<unknown>,
  use: (
    fixture: { data: string; sessions: SessionPool; imported: StoreImportResult },
  ) => Promise<T>,
  options: SqliteOptions = {},
): Promise<T> {
  return withTempFolder(async (data) => {
    const store = await openSqlite(data, options);
    try {
      await fill(store);
    } finally {
      await store.close();
    }
    return await withDatabase(server, async (sessions) => {
      const imported = await importFolder(data, sessions);
      return await use({ data, sessions, imported });
    });
  });
}

/** Waits until a condition is true; the test fails if it never is. */
export async function until(isTrue: () => boolean | Promise<boolean>): Promise<void> {
  const end = performance.now() + MAX_WAIT_MS;
  while (!await isTrue()) {
    if (performance.now() > end) throw new Error(`not true after ${MAX_WAIT_MS} ms: ${isTrue}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
