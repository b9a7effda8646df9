/**
 * One question put to one SQLite database, in a process that does nothing else and is ended when it
 * takes too long: a step of SQLite cannot be broken off from within. The handle is read-only and
 * defensive, the authoriser lets through nothing but reading, and there is one statement a question.
 */

import { MAX_QUERY_BYTES, MAX_QUERY_ROWS } from "../../limits.ts";
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

/** What is used of `node:sqlite`, written out since the published types lag behind the runtime. */
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

/** Puts a question to the file it names, or to the database that came along. */
export type QueryDatabase = (
  question: SqlQuery,
  image: Uint8Array<ArrayBuffer>,
) => Promise<SqlResult>;

/** How long a lock of another program is waited for, in milliseconds. */
const LOCK_MS = 250;

/** Action and answer codes of sqlite3_set_authorizer(), as sqlite3.h numbers them for good. */
const OK = 0;
const DENY = 1;
const PRAGMA = 19;
const READ = 20;
const SELECT = 21;
const FUNCTION = 31;
const RECURSIVE = 33;

/** Primary result codes, as sqlite3.h numbers them. */
const BUSY = 5;
const READONLY = 8;
const CANTOPEN = 14;
const TOOBIG = 18;

/**
 * Pragmas that only tell; true for those that take the name of a table or index. `database_list` is
 * none of them: it tells where a file lies on the disk.
 */
const PRAGMAS: Readonly<Record<string, boolean>> = Object.assign(Object.create(null), {
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

/** Functions that reach past the file. */
const CLOSED: Readonly<Record<string, true>> = Object.assign(Object.create(null), {
  load_extension: true,
  readfile: true,
  writefile: true,
  edit: true,
  fts3_tokenizer: true,
});

/** Statements that may stand where a table does, and so can be told how many rows are wanted. */
const NESTS = /^(?:\s|--[^\n]*\n|\/\*[^*]*\*+(?:[^/*][^*]*\*+)*\/)*(?:SELECT|WITH|VALUES)\b/i;

/**
 * Makes the {@link QueryDatabase} of a process.
 *
 * @param native the runtime
 * @param sqlite the runtime's `node:sqlite`
 * @param resolve finds where a path really lies, and refuses what was not granted
 */
export function createQueryDatabase(
  native: typeof Deno,
  sqlite: SqliteModule,
  resolve: ResolvePath,
): QueryDatabase {
  const { DatabaseSync } = sqlite;
  const disk = diskOf(native);

  async function image(real: string): Promise<Database> {
    return inMemory(await copyDatabase(disk, real));
  }

  function inMemory(bytes: Uint8Array<ArrayBuffer>): Database {
    const database = new DatabaseSync(":memory:", { allowExtension: false, defensive: true });
    try {
      // Nothing has no header to be wrong; SQLite takes it for an empty database as well.
      if (bytes.length > 0) database.deserialize(bytes);
      return database;
    } catch (error) {
      database.close();
      throw inWords(error, "");
    }
  }

  async function inFile(path: string, copy: boolean | undefined): Promise<Database> {
    const real = await resolve(path, false);
    const found = await disk.stat(real);
    if (found === undefined) throw createNamedError("NotFound", `Cannot reach ${path}: NotFound`);
    // What lies beside the file is read with it, so it must not lead elsewhere either.
    const [log, index] = [await beside(`${path}-wal`), await beside(`${path}-shm`)];
    await beside(`${path}-journal`);
    if (copy === true) return await image(real);
    // To open a file with a log makes files beside it, and fails where that is forbidden.
    if (copy === undefined && (log || (await disk.read(real, 100))?.[18] === 2)) {
      try {
        return await image(real);
      } catch (error) {
        // Where the log's index is there already, to open the file itself leaves nothing new either.
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

  /** Whether a file is there, which must lie where it may. */
  async function beside(path: string): Promise<boolean> {
    try {
      await resolve(path, false);
      return true;
    } catch (error) {
      if (error instanceof Error && error.name === "NotFound") return false;
      throw error;
    }
  }

  return async function query(question, bytes) {
    const { path, copy } = question;
    if (path === undefined) return ask(inMemory(clearWalMode(bytes)), question);
    try {
      return ask(await inFile(path, copy), question);
    } catch (error) {
      const code = codeOf(error) & 0xff;
      const held = code === BUSY || code === READONLY || code === CANTOPEN;
      if (copy !== undefined || !held) throw error;
      return ask(await image(await resolve(path, false)), question);
    }
  };
}

/** Asks, and closes the database. */
function ask(database: Database, question: SqlQuery): SqlResult {
  const { sql, params } = question;
  const most = clamp(question.maxRows ?? 1000, MAX_QUERY_ROWS);
  const mostBytes = clamp(question.maxBytes ?? MAX_QUERY_BYTES, MAX_QUERY_BYTES);
  let denied = "";
  try {
    // One value must fit, and what a function blows up is told before it is in memory.
    database.limits.length = MAX_QUERY_BYTES * 2;
    // The constructor's `timeout` does nothing (node:sqlite of 2.9.6): five seconds are waited.
    database.prepare(`PRAGMA busy_timeout = ${LOCK_MS}`).all();
    // A long sort would be written to the disk otherwise, past every permission.
    database.prepare("PRAGMA temp_store = MEMORY").all();
    database.setAuthorizer((action, first, second) => {
      if (mayRead(action, first, second)) return OK;
      denied ||= action === PRAGMA ? `PRAGMA ${first}` : action === FUNCTION ? `${second}()` : "it";
      return DENY;
    });
    const statement = database.prepare(sql);
    const columns = statement.columns().map((column) => column.name);
    if (columns.length === 0) {
      throw createNamedError(
        "SqliteError",
        "the statement gives no rows: SELECT, WITH, VALUES, EXPLAIN and PRAGMAs that tell do",
      );
    }
    refuseTail(database, sql.slice(statement.sourceSQL.length));
    // all(), because iterate() takes an error in a step for the last row (node:sqlite of 2.9.6).
    const bounded = nested(database, statement.sourceSQL, most + 1) ?? statement;
    bounded.setReturnArrays(true);
    bounded.setReadBigInts(true);
    const bound = Array.isArray(params)
      ? params.map(integer)
      : [Object.fromEntries(Object.entries(params).map(([name, value]) => [name, integer(value)]))];
    const found = bounded.all(...bound);
    const truncated = found.length > most;
    const rows = (truncated ? found.slice(0, most) : found).map((row) => row.map(plain));
    let size = 0;
    for (const row of rows) for (const value of row) size += sizeOf(value);
    if (size > mostBytes) {
      throw createNamedError(
        "QuotaExceededError",
        `Cannot give the rows: they hold ${size} bytes, ${mostBytes} are allowed`,
      );
    }
    return { columns, rows, truncated };
  } catch (error) {
    throw inWords(error, denied);
  } finally {
    database.close();
  }
}

/** Whole numbers are integers to whoever writes them down, and reals to node:sqlite. */
function integer(value: SqlValue): SqlValue {
  return typeof value === "number" && Number.isSafeInteger(value) ? BigInt(value) : value;
}

function mayRead(action: number, first: string | null, second: string | null): boolean {
  switch (action) {
    case SELECT:
    case READ:
    case RECURSIVE:
      return true;
    case FUNCTION:
      return !CLOSED[second ?? ""];
    case PRAGMA: {
      const known = PRAGMAS[first ?? ""];
      return known === true || known === false && second === null;
    }
    default:
      return false;
  }
}

/** SQLite compiles the first statement and leaves the rest unread; a caller might not notice. */
function refuseTail(database: Database, tail: string): void {
  if (/^[\s;]*$/.test(tail)) return;
  let another = true;
  try {
    another = database.prepare(tail).columns().length > 0;
  } catch {
    // Whatever cannot be compiled here is no comment either.
  }
  if (another) throw createNamedError("SqliteError", "there is more than one statement");
}

/** The statement with a bound on its rows, where it can stand in brackets. */
function nested(database: Database, sql: string, most: number): Statement | undefined {
  if (!NESTS.test(sql)) return undefined;
  try {
    return database.prepare(`SELECT * FROM (${sql.replace(/[\s;]+$/, "")}\n) LIMIT ${most}`);
  } catch {
    // It compiled by itself; brackets do not suit it, such as after a comment that is left open.
    return undefined;
  }
}

function codeOf(error: unknown): number {
  if (!(error instanceof Error) || !("errcode" in error)) return 0;
  return typeof error.errcode === "number" ? error.errcode : 0;
}

/** SQLite's own words, which name no path, under a name that tells what kind of failure it is. */
function inWords(error: unknown, denied: string): unknown {
  if (!(error instanceof Error)) return error;
  const code = codeOf(error);
  if ((code & 0xff) === TOOBIG) {
    return createNamedError("QuotaExceededError", `Cannot give the rows: ${error.message}`);
  }
  const known = ["SqliteError", "QuotaExceededError", "Busy", "NotFound", "TypeError"];
  if (code === 0 && known.includes(error.name) && error.name !== "TypeError") return error;
  const words = denied === ""
    ? error.message
    : `${
      denied === "it" ? "the statement" : denied
    } does more than read, and only reading is allowed`;
  return Object.assign(createNamedError("SqliteError", words), { errcode: code });
}

/**
 * The runtime with the look at a path that `makeResolve` takes made on this thread: a process that
 * answers one question has nobody to make way for, and another thread's turn costs more than the look.
 * The other looks cannot be had so: `statSync` and its like need the `Deno` that the realm has not
 * (seen on 2.9.6).
 */
export function withSyncRealPath(native: typeof Deno): typeof Deno {
  const { realPathSync } = native;
  return Object.assign(Object.create(native), {
    realPath: async (path: string) => await realPathSync(path),
  });
}

function diskOf({ stat, openSync, errors }: typeof Deno): DatabaseFiles {
  async function present<T>(act: () => T | Promise<T>): Promise<T | undefined> {
    try {
      return await act();
    } catch (error) {
      if (error instanceof errors.NotFound) return undefined;
      throw error;
    }
  }
  async function look(path: string): Promise<DatabaseFileStat> {
    const { size, mtime, isFile } = await stat(path);
    if (!isFile) throw createNamedError("SqliteError", "it is no file");
    return { size, mtime: mtime?.getTime() ?? 0 };
  }
  return {
    stat: (path) => present(() => look(path)),
    read: (path, most) =>
      present(async () => {
        const bytes = new Uint8Array(most ?? (await look(path)).size);
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

function plain(value: unknown): string | number | null | Uint8Array {
  if (typeof value === "bigint") {
    const number = Number(value);
    return Number.isSafeInteger(number) ? number : String(value);
  }
  if (value === null || typeof value === "string" || typeof value === "number") return value;
  return value instanceof Uint8Array ? value : String(value);
}

function clamp(value: number, most: number): number {
  return Number.isFinite(value) ? Math.min(Math.max(1, value), most) : most;
}
