/**
 * Runs one SQL query on one SQLite database. It runs in a process that does nothing else and is
 * killed if the query takes too long, because a step of SQLite cannot be interrupted from inside.
 * The handle is read-only and defensive, the authorizer permits reads only, and a query is one
 * statement. It must not write to the database or create files.
 */

import { MAX_QUERY_BYTES, MAX_QUERY_ROWS } from "../../cell_limits.ts";
import {
  clearWalMode,
  copyDatabase,
  createNamedError,
  type DatabaseFiles,
  type DatabaseFileStat,
} from "./database_copy.ts";
import type { ResolvePath } from "./env_files.ts";
import type { SqlQuery } from "./sql_codec.ts";
import type { SqlResult, SqlValue } from "./sql_types.ts";

/**
 * The used part of `node:sqlite`. Declared here, because `@types/node` lacks some members (Deno
 * 2.9.6).
 */
export interface SqliteModule {
  readonly DatabaseSync: new (path: string, options: Record<string, unknown>) => Database;
}

interface Database {
  readonly limits: Record<string, number>;
  setAuthorizer(
    allow: (action: number, first: string | null, second: string | null) => number,
  ): void;
  prepare(sql: string): Statement;
  deserialize(image: Uint8Array): void;
  close(): void;
}

interface Statement {
  readonly sourceSQL: string;
  setReturnArrays(on: boolean): void;
  setReadBigInts(on: boolean): void;
  columns(): { name: string }[];
  all(...params: unknown[]): unknown[][];
}

/**
 * Runs a query.
 *
 * @param image the database, if the query has no path
 * @throws {Error} see `Sql.query`
 */
export type QueryDatabase = (
  query: SqlQuery,
  image: Uint8Array<ArrayBuffer>,
) => Promise<SqlResult>;

/** How long SQLite waits for a lock of another program, in milliseconds. */
const SQLITE_LOCK_MS = 250;

/** Action and return codes of sqlite3_set_authorizer(), as in sqlite3.h; they never change. */
const OK = 0;
const DENY = 1;
const PRAGMA = 19;
const READ = 20;
const SELECT = 21;
const FUNCTION = 31;
const RECURSIVE = 33;

/** Primary result codes, as in sqlite3.h. */
const BUSY = 5;
const READONLY = 8;
const CANTOPEN = 14;
const TOOBIG = 18;

/**
 * Allowed pragmas, all of which only read. True if the pragma takes the name of a table or index.
 * `database_list` is not included, because it returns the path of the file.
 */
const ALLOWED_PRAGMAS: Readonly<Record<string, boolean>> = Object.assign(Object.create(null), {
  table_info: true,
  table_xinfo: true,
  table_list: true,
  index_list: true,
  index_info: true,
  index_xinfo: true,
  foreign_key_list: true,
  user_version: false,
  schema_version: false,
  application_id: false,
  encoding: false,
  page_count: false,
  page_size: false,
  freelist_count: false,
  collation_list: false,
  compile_options: false,
  function_list: false,
});

/** SQL functions that reach outside the database. */
const FORBIDDEN_FUNCTIONS: Readonly<Record<string, true>> = Object.assign(Object.create(null), {
  load_extension: true,
  readfile: true,
  writefile: true,
  edit: true,
  fts3_tokenizer: true,
});

/** Statements that can be a subquery, so that a LIMIT can be added. */
const SUBQUERY = /^(?:\s|--[^\n]*\n|\/\*[^*]*\*+(?:[^/*][^*]*\*+)*\/)*(?:SELECT|WITH|VALUES)\b/i;

/**
 * Creates the query function of a process.
 *
 * @param native the `Deno` object
 * @param sqlite the module `node:sqlite`
 * @param resolve resolves a path and refuses one outside the granted folders
 */
export function createQueryDatabase(
  native: typeof Deno,
  sqlite: SqliteModule,
  resolve: ResolvePath,
): QueryDatabase {
  const { DatabaseSync } = sqlite;
  const disk = createDatabaseFiles(native);

  async function openCopy(real: string): Promise<Database> {
    return openImage(await copyDatabase(disk, real));
  }

  function openImage(bytes: Uint8Array<ArrayBuffer>): Database {
    const database = new DatabaseSync(":memory:", { allowExtension: false, defensive: true });
    try {
      // Zero bytes are an empty database, as `:memory:` is.
      if (bytes.length > 0) database.deserialize(bytes);
      return database;
    } catch (error) {
      database.close();
      throw toSqlError(error, "");
    }
  }

  async function openFile(path: string, copy: boolean | undefined): Promise<Database> {
    const real = await resolve(path, false);
    const found = await disk.stat(real);
    if (found === undefined) throw createNamedError("NotFound", `Cannot access ${path}: NotFound`);
    // SQLite also reads the files next to the database, so they must not be symlinks to the
    // outside.
    const [log, index] = [await existsInside(`${path}-wal`), await existsInside(`${path}-shm`)];
    await existsInside(`${path}-journal`);
    if (copy === true) return await openCopy(real);
    // Opening a file in WAL mode creates files next to it, and fails in a read-only folder.
    if (copy === undefined && (log || (await disk.read(real, 100))?.[18] === 2)) {
      try {
        return await openCopy(real);
      } catch (error) {
        // If the `-shm` file exists, opening the database creates no new file.
        const long = error instanceof Error && error.name === "QuotaExceededError";
        if (!long || !index) throw error;
      }
    }
    return new DatabaseSync(real, {
      readOnly: true,
      allowExtension: false,
      defensive: true,
    });
  }

  /** Returns whether a file exists, and rejects if its real path is outside the granted folders. */
  async function existsInside(path: string): Promise<boolean> {
    try {
      await resolve(path, false);
      return true;
    } catch (error) {
      if (error instanceof Error && error.name === "NotFound") return false;
      throw error;
    }
  }

  return async function queryDatabase(query, bytes) {
    const { path, copy } = query;
    if (path === undefined) return runQuery(openImage(clearWalMode(bytes)), query);
    try {
      return runQuery(await openFile(path, copy), query);
    } catch (error) {
      const code = codeOf(error) & 0xff;
      const isLocked = code === BUSY || code === READONLY || code === CANTOPEN;
      if (copy !== undefined || !isLocked) throw error;
      return runQuery(await openCopy(await resolve(path, false)), query);
    }
  };
}

/** Runs the query and closes the database. */
function runQuery(database: Database, query: SqlQuery): SqlResult {
  const { sql, params } = query;
  const maxRows = clamp(query.maxRows ?? 1000, MAX_QUERY_ROWS);
  const maxBytes = clamp(query.maxBytes ?? MAX_QUERY_BYTES, MAX_QUERY_BYTES);
  let denied = "";
  try {
    // SQLite refuses a longer value before it allocates memory for it.
    database.limits.length = MAX_QUERY_BYTES * 2;
    // The option `timeout` of the constructor has no effect: SQLite waits 5 s (Deno 2.9.6).
    database.prepare(`PRAGMA busy_timeout = ${SQLITE_LOCK_MS}`).all();
    // Otherwise a large sort writes temporary files, which Deno's permissions do not cover.
    database.prepare("PRAGMA temp_store = MEMORY").all();
    database.setAuthorizer((action, first, second) => {
      if (isReadOnly(action, first, second)) return OK;
      denied ||= action === PRAGMA
        ? `PRAGMA ${first}`
        : action === FUNCTION
        ? `${second}()`
        : "the statement";
      return DENY;
    });
    const statement = database.prepare(sql);
    const columns = statement.columns().map((column) => column.name);
    if (columns.length === 0) {
      throw createNamedError(
        "SqliteError",
        "the statement returns no rows; use SELECT, WITH, VALUES, EXPLAIN or a reading PRAGMA",
      );
    }
    assertSingleStatement(database, sql.slice(statement.sourceSQL.length));
    // Not iterate(): it treats an error in a step as the end of the rows (Deno 2.9.6).
    const checked = addNulCheck(database, statement.sourceSQL, columns.length, maxRows + 1);
    const bounded = checked ?? addLimit(database, statement.sourceSQL, maxRows + 1) ?? statement;
    bounded.setReturnArrays(true);
    bounded.setReadBigInts(true);
    const bound = Array.isArray(params) ? params.map(toInteger) : [
      Object.fromEntries(Object.entries(params).map(([name, value]) => [name, toInteger(value)])),
    ];
    const found = bounded.all(...bound);
    const truncated = found.length > maxRows;
    const shown = truncated ? found.slice(0, maxRows) : found;
    if (checked !== undefined) removeNulCheck(shown, columns);
    const rows = shown.map((row) => row.map(toResultValue));
    let size = 0;
    for (const row of rows) for (const value of row) size += sizeOf(value);
    if (size > maxBytes) {
      throw createNamedError(
        "QuotaExceededError",
        `Cannot return the rows: they have ${size} bytes; at most ${maxBytes} are allowed`,
      );
    }
    return { columns, rows, truncated };
  } catch (error) {
    throw toSqlError(error, denied);
  } finally {
    database.close();
  }
}

/** Converts an integer to a bigint: node:sqlite would bind a number as REAL. */
function toInteger(value: SqlValue): SqlValue {
  return typeof value === "number" && Number.isSafeInteger(value) ? BigInt(value) : value;
}

function isReadOnly(action: number, first: string | null, second: string | null): boolean {
  switch (action) {
    case SELECT:
    case READ:
    case RECURSIVE:
      return true;
    case FUNCTION:
      return !FORBIDDEN_FUNCTIONS[second ?? ""];
    case PRAGMA: {
      const takesName = ALLOWED_PRAGMAS[first ?? ""];
      return takesName === true || takesName === false && second === null;
    }
    default:
      return false;
  }
}

/** Refuses a second statement: SQLite compiles the first one only and ignores the rest. */
function assertSingleStatement(database: Database, tail: string): void {
  if (/^[\s;]*$/.test(tail)) return;
  let another = true;
  try {
    another = database.prepare(tail).columns().length > 0;
  } catch {
    // Text that does not compile is not just a comment, so it counts as a statement.
  }
  if (another) throw createNamedError("SqliteError", "there is more than one statement");
}

/** Wraps the statement in a subquery with a LIMIT. Returns undefined if that is not possible. */
function addLimit(database: Database, sql: string, maxRows: number): Statement | undefined {
  if (!SUBQUERY.test(sql)) return undefined;
  try {
    return database.prepare(`SELECT * FROM (${sql.replace(/[\s;]+$/, "")}\n) LIMIT ${maxRows}`);
  } catch {
    // The statement compiled, but not in brackets, for example because a comment is not closed.
    return undefined;
  }
}

/**
 * Like {@link addLimit}, with one more column: the number of the first column whose text contains a
 * NUL, otherwise 0. node:sqlite ends a text at a NUL (Deno 2.9.6).
 */
function addNulCheck(
  database: Database,
  sql: string,
  columns: number,
  maxRows: number,
): Statement | undefined {
  if (!SUBQUERY.test(sql)) return undefined;
  const names: string[] = [];
  let cases = "";
  for (let at = 1; at <= columns; at++) {
    names[at - 1] = `c${at}`;
    cases += ` WHEN typeof(c${at}) = 'text' AND instr(c${at}, char(0)) THEN ${at}`;
  }
  try {
    return database.prepare(
      `WITH q(${names.join(", ")}) AS (${sql.replace(/[\s;]+$/, "")}\n) ` +
        `SELECT *, CASE${cases} ELSE 0 END FROM q LIMIT ${maxRows}`,
    );
  } catch {
    return undefined; // as in `addLimit`, or there are too many columns
  }
}

/**
 * Removes the column of {@link addNulCheck}.
 *
 * @throws {Error} `SqliteError`: a text contains a NUL
 */
function removeNulCheck(rows: unknown[][], columns: readonly string[]): void {
  for (const [at, row] of rows.entries()) {
    const column = Number(row.pop());
    if (column === 0) continue;
    throw createNamedError(
      "SqliteError",
      `the text of column ${JSON.stringify(columns[column - 1])} in row ${at + 1} contains a NUL ` +
        "character and cannot be returned whole; select hex(…) or CAST(… AS BLOB) instead",
    );
  }
}

function codeOf(error: unknown): number {
  if (!(error instanceof Error) || !("errcode" in error)) return 0;
  return typeof error.errcode === "number" ? error.errcode : 0;
}

/** Converts an error of SQLite, whose message contains no path, to one with a name for plugins. */
function toSqlError(error: unknown, denied: string): unknown {
  if (!(error instanceof Error)) return error;
  const code = codeOf(error);
  if ((code & 0xff) === TOOBIG) {
    return createNamedError("QuotaExceededError", `Cannot return the rows: ${error.message}`);
  }
  const names = ["SqliteError", "QuotaExceededError", "Busy", "NotFound", "TypeError"];
  if (code === 0 && names.includes(error.name) && error.name !== "TypeError") return error;
  const reason = denied === ""
    ? error.message
    : `${denied} does more than read; only reading is allowed`;
  return Object.assign(createNamedError("SqliteError", reason), { errcode: code });
}

/**
 * Returns a `Deno` object whose `realPath` runs synchronously. A query process answers one query at
 * a time, so blocking delays nothing, and a task on another thread costs more than the system call.
 * Other calls such as `statSync` cannot be replaced: they need the global `Deno`, which the
 * lockdown removes (Deno 2.9.6).
 */
export function withSyncRealPath(native: typeof Deno): typeof Deno {
  const { realPathSync } = native;
  return Object.assign(Object.create(native), {
    realPath: async (path: string) => await realPathSync(path),
  });
}

function createDatabaseFiles({ stat, openSync, errors }: typeof Deno): DatabaseFiles {
  async function undefinedIfMissing<T>(action: () => T | Promise<T>): Promise<T | undefined> {
    try {
      return await action();
    } catch (error) {
      if (error instanceof errors.NotFound) return undefined;
      throw error;
    }
  }
  async function statFile(path: string): Promise<DatabaseFileStat> {
    const { size, mtime, isFile } = await stat(path);
    if (!isFile) throw createNamedError("SqliteError", "it is not a file");
    return { size, mtime: mtime?.getTime() ?? 0 };
  }
  return {
    stat: (path) => undefinedIfMissing(() => statFile(path)),
    read: (path, maxBytes) =>
      undefinedIfMissing(async () => {
        const bytes = new Uint8Array(maxBytes ?? (await statFile(path)).size);
        using file = openSync(path, { read: true });
        let length = 0;
        while (length < bytes.length) {
          const count = file.readSync(bytes.subarray(length));
          if (count === null) break;
          length += count;
        }
        return bytes.subarray(0, length);
      }),
    sleep: (ms) => new Promise((resume) => setTimeout(resume, ms)),
  };
}

function sizeOf(value: string | number | null | Uint8Array): number {
  return typeof value === "object"
    ? value?.length ?? 1
    : typeof value === "string"
    ? value.length
    : 8;
}

function toResultValue(value: unknown): string | number | null | Uint8Array {
  if (typeof value === "bigint") {
    const number = Number(value);
    return Number.isSafeInteger(number) ? number : String(value);
  }
  if (value === null || typeof value === "string" || typeof value === "number") return value;
  return value instanceof Uint8Array ? value : String(value);
}

function clamp(value: number, max: number): number {
  return Number.isFinite(value) ? Math.min(Math.max(1, value), max) : max;
}
