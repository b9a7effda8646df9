/**
 * `env.sql`: reading SQLite files inside the granted folders. The handle is read-only and defensive,
 * and the authoriser lets through nothing but reading. SQLite runs on this thread: rows are counted
 * and timed, but a single step that never ends is ended by the host's heartbeat, with the cell.
 */

import type { Resolve } from "./files.ts";

/** What a query may give and take. */
export interface SqlOptions {
  /** Rows returned at most, 1000 unless told. */
  readonly maxRows?: number;
  /** Milliseconds after which no further row is fetched, 2000 unless told. */
  readonly timeoutMs?: number;
  /**
   * Reads a copy in memory, taken without regard to locks and write-ahead log: for files that another
   * program holds. Costs the file's size in memory.
   */
  readonly copy?: boolean;
}

/** Rows as arrays in the order of `columns`. */
export interface SqlResult {
  readonly columns: string[];
  readonly rows: (string | number | null | Uint8Array)[][];
  /** There were more rows than asked for. */
  readonly truncated: boolean;
}

/** `env.sql`. */
export interface Sql {
  query(
    path: string,
    sql: string,
    params?: readonly (string | number | bigint | null | Uint8Array)[],
    options?: SqlOptions,
  ): Promise<SqlResult>;
}

/** What is used of `node:sqlite`, written out since the published types lag behind the runtime. */
export interface Sqlite {
  readonly DatabaseSync: new (path: string, options: Record<string, unknown>) => {
    setAuthorizer(
      allow: (action: number, first: string | null, second: string | null) => number,
    ): void;
    prepare(sql: string): {
      setReturnArrays(on: boolean): void;
      setReadBigInts(on: boolean): void;
      columns(): { name: string }[];
      iterate(...params: unknown[]): Iterable<unknown[]>;
    };
    deserialize(image: Uint8Array): void;
    close(): void;
  };
}

const MAX_ROWS = 100_000;

/** Action and answer codes of sqlite3_set_authorizer(), as sqlite3.h numbers them for good. */
const OK = 0;
const DENY = 1;
const PRAGMA = 19;
const READ = 20;
const SELECT = 21;
const FUNCTION = 31;
const RECURSIVE = 33;

/** Pragmas that only tell; true for those that take the name of a table or index. */
const PRAGMAS: Readonly<Record<string, boolean>> = Object.assign(Object.create(null), {
  table_info: true,
  table_xinfo: true,
  table_list: true,
  index_list: true,
  index_info: true,
  index_xinfo: true,
  foreign_key_list: true,
  database_list: false,
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

/**
 * Makes `env.sql`.
 *
 * @param native the runtime, captured before the realm was stripped
 * @param sqlite the runtime's `node:sqlite`
 * @param resolve finds where a path really lies
 */
export function makeSql(native: typeof Deno, sqlite: Sqlite, resolve: Resolve): Sql {
  const { DatabaseSync } = sqlite;
  const { readFile } = native;
  const now = Date.now;

  function mayRead(action: number, first: string | null, second: string | null): number {
    switch (action) {
      case SELECT:
      case READ:
      case RECURSIVE:
        return OK;
      case FUNCTION:
        return CLOSED[second ?? ""] ? DENY : OK;
      case PRAGMA: {
        const named = PRAGMAS[first ?? ""];
        return named === true || named === false && second === null ? OK : DENY;
      }
      default:
        return DENY;
    }
  }

  return Object.freeze({
    async query(
      path: string,
      sql: string,
      params: readonly (string | number | bigint | null | Uint8Array)[] = [],
      options: SqlOptions = {},
    ): Promise<SqlResult> {
      if (typeof sql !== "string") throw new TypeError("Cannot query: the SQL is not a string");
      const most = clamp(options.maxRows ?? 1000, MAX_ROWS);
      const until = now() + clamp(options.timeoutMs ?? 2000, 60_000);
      const real = await resolve(path, false);
      const image = options.copy ? await readFile(real) : undefined;
      const database = new DatabaseSync(image ? ":memory:" : real, {
        readOnly: !image,
        allowExtension: false,
        defensive: true,
        timeout: 500,
      });
      try {
        if (image) {
          // Bytes 18 and 19 say "write-ahead log", which a copy in memory cannot have.
          if (image[18] === 2) image.fill(1, 18, 20);
          database.deserialize(image);
        }
        database.setAuthorizer(mayRead);
        const statement = database.prepare(sql);
        statement.setReturnArrays(true);
        statement.setReadBigInts(true);
        const columns = statement.columns().map((column) => column.name);
        if (columns.length === 0) throw new Error("Cannot query: the statement gives no rows");
        // iterate() takes an error in a step for the last row (seen on 2.9.6); all() would not, but
        // could be neither counted nor timed.
        const rows: SqlResult["rows"] = [];
        for (const row of statement.iterate(...params)) {
          if (rows.length >= most) return { columns, rows, truncated: true };
          if (now() > until) throw new Error("Cannot finish the query: its time is over");
          rows[rows.length] = row.map(plain);
        }
        return { columns, rows, truncated: false };
      } finally {
        database.close();
      }
    },
  });
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
