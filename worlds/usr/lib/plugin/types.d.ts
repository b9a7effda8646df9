/**
 * Types of elastik plugins: what a plugin exports, and what the server passes to it. A plugin imports
 * them with `import type`, which is erased when the plugin is stored. Manual:
 * `/usr/share/doc/plugins.md`.
 */

/** Lowest tier that can call a plugin. T1 needs no credential on a server that runs open. */
export type Tier = "T1" | "T2" | "T3";

/** Access of `env.machine`: `r` reads, `rw` also writes. */
export type GrantMode = "r" | "rw";

/** What a plugin may access by path. A path with a slash at the end means everything below it. */
export type Grants = Readonly<Record<string, GrantMode>>;

/** Texts of the worlds that the plugin names in `config`, by path. A missing world has no entry. */
export type Config = Readonly<Record<string, string | undefined>>;

/** Permissions of the process of the plugin. What is not named is denied; there are no wildcards. */
export interface Permissions {
  /** Hosts, with or without a port: `api.example.com`, `127.0.0.1:11434`, `[::1]:80`. */
  readonly net?: readonly string[];
  /** Absolute paths of folders and files that `env.files` and `env.sql` can read. */
  readonly read?: readonly string[];
  /** Absolute paths that `env.files` can write. Each must be in `read`, too. */
  readonly write?: readonly string[];
  /** Names of environment variables of the server, which are passed as `env.vars`. */
  readonly env?: readonly string[];
  /** What is wrong with the configuration, in one sentence, if the plugin can work without it. */
  readonly fault?: string;
}

/** Returns the permissions for a configuration. The same configuration must give the same ones. */
export type PermissionsOf = (
  input: { readonly config: Config },
) => Permissions | Promise<Permissions>;

/**
 * All exports of a plugin. To check a module: `import * as plugin from "./plugin.ts"` in another
 * file, and `plugin satisfies Plugin`.
 */
export interface Plugin {
  /** The functions that the server calls. */
  readonly default: Handlers;
  /** Paths that the plugin answers, each with everything below it. Required with `fetch`. */
  readonly routes?: readonly string[];
  /** Lowest tier that can call the plugin; `T1` by default. */
  readonly auth?: Tier;
  /**
   * Whether the path after a route names a world or a file of a mount. A capability over that path
   * can then call the plugin. `false` by default.
   */
  readonly subject?: boolean;
  /** One line for `/bin`. */
  readonly description?: string;
  /** Worlds of `/etc`, `/usr` or `/var` that the plugin gets as `env.config`. */
  readonly config?: readonly string[];
  /** What `env.machine` may access. */
  readonly grants?: Grants;
  /** Permissions of the process, or a function that returns them. None by default. */
  readonly permissions?: Permissions | PermissionsOf;
  /** Seconds until a response must start, from 1 to 900. */
  readonly patience?: number;
  /** Whether the plugin answers GET and HEAD of paths that nothing else answers. */
  readonly fallback?: boolean;
  /** Times in UTC at which the server calls `scheduled`, as five fields: `0 3 * * *`. */
  readonly cron?: readonly string[];
  /** Paths for whose changes the server calls `change`. The `grants` must cover them. */
  readonly on?: readonly string[];
  /** Whether the plugin has `env.kv`. `false` by default. */
  readonly kv?: boolean;
}

/**
 * Answers a request.
 *
 * @throws {unknown} the client gets 502; the log of the plugin has the error
 */
export type FetchHandler = (request: Request, env: Env, ctx: Ctx) => Response | Promise<Response>;

/**
 * Is called at the times of `cron`.
 *
 * @throws {unknown} the run counts as failed
 */
export type ScheduledHandler = (event: ScheduledEvent, env: EventEnv, ctx: Ctx) => unknown;

/**
 * Is called for each change below the paths of `on`, one after another.
 *
 * @throws {unknown} the call is repeated later
 */
export type ChangeHandler = (event: ChangeEvent, env: EventEnv, ctx: Ctx) => unknown;

/** The default export: at least one of the three functions. */
export type Handlers =
  | {
    readonly fetch?: FetchHandler;
    readonly scheduled: ScheduledHandler;
    readonly change?: ChangeHandler;
  }
  | {
    readonly fetch?: FetchHandler;
    readonly scheduled?: ScheduledHandler;
    readonly change: ChangeHandler;
  }
  | {
    readonly fetch: FetchHandler;
    readonly scheduled?: ScheduledHandler;
    readonly change?: ChangeHandler;
  };

/** A time of `cron`. */
export interface ScheduledEvent {
  readonly type: "scheduled";
  /** The expression, as the plugin exports it. */
  readonly cron: string;
  /** Unix time in milliseconds. */
  readonly scheduledTime: number;
  /** Is aborted at the time limit. */
  readonly signal: AbortSignal;
}

/** A change of a world that `on` covers. */
export interface ChangeEvent {
  readonly type: "change";
  /** The same for each call with the same change, and for no other change. */
  readonly id: string;
  /** Path of the world. */
  readonly path: string;
  /** `delete`: the path has no world any more, because it was deleted or moved. */
  readonly kind: "update" | "delete";
  /** Version of the world after the change; the last version if it was deleted. */
  readonly version: number;
  /** RFC 3339 time. */
  readonly at: string;
  /** The caller that made the change. */
  readonly by: string;
  /** Type of the event, such as `stage_written`. */
  readonly event: string;
  /** The path before a move, if the grants cover it. */
  readonly from?: string;
  /** Is aborted at the time limit. */
  readonly signal: AbortSignal;
}

/** What `scheduled` and `change` get. There is no caller. */
export interface EventEnv {
  /** Requests to the server with the grants of the plugin. */
  readonly machine: Machine;
  /** Texts of the worlds in `config`. */
  readonly config: Config;
  /** Values of the declared environment variables that are set. */
  readonly vars: Readonly<Record<string, string | undefined>>;
  /** Read-only SQL on SQLite files. */
  readonly sql: Sql;
  /** Files in the granted folders. Absent without a folder in `permissions`. */
  readonly files?: Files;
  /** Values of the plugin by key. Absent without `export const kv = true`. */
  readonly kv?: Kv;
}

/** What `fetch` gets. */
export interface Env extends EventEnv {
  /** The client that sent the request, and requests with its authority. */
  readonly caller: Caller;
}

/** Sends a request to this server. It does not reach other servers. */
export type ServerFetch = (
  input: string | URL | Request,
  init?: RequestInit,
) => Promise<Response>;

/** `env.caller`. Its authority ends with the request. */
export interface Caller {
  /** Tier of the caller. */
  readonly tier: Tier;
  /** Name of the caller, as in the event log: a tier, an account, or a capability as `cap:…`. */
  readonly by: string;
  /** With `subject`: the `ETag` of the world that the path names, for this caller. */
  readonly tag?: string | undefined;
  /** Sends a request with the authority of the caller. */
  readonly fetch: ServerFetch;
}

/** `env.machine`. It is the same for every caller. */
export interface Machine {
  /** Sends a request with the grants of the plugin, and no other authority. */
  readonly fetch: ServerFetch;
}

/** The third argument of the handlers. */
export interface Ctx {
  /** Keeps the authority of `env.machine` after the response, for at most 30 seconds. */
  waitUntil(work: unknown): void;
  /** Does nothing. Plugins that were written for Cloudflare Workers can call it. */
  passThroughOnException(): void;
}

/** One entry of a listing, or the result of `stat`. */
export interface FileInfo {
  readonly name: string;
  readonly kind: "file" | "folder" | "link" | "other";
  /** Size in bytes. */
  readonly size: number;
  /** Time of the last write in Unix milliseconds; null if it is not known. */
  readonly modified: number | null;
  /** Time of the last change of content, name or permissions, in Unix milliseconds. */
  readonly changed: number | null;
  /** Device and inode; null if they are not known. */
  readonly id: string | null;
}

/** A part of a file, in bytes. Without `length` it extends to the end. */
export interface FileRange {
  readonly offset?: number;
  readonly length?: number;
}

/** Options of `env.files.respond`. */
export interface FileResponseOptions extends FileRange {
  readonly status?: number;
  readonly headers?: HeadersInit;
  /** Result of `stat`. A file that has changed since is not sent. */
  readonly seen?: FileInfo;
}

/** Options of `env.files.replace`. */
export interface ReplaceOptions {
  /** Called when all bytes are on disk, before the rename. If it throws, nothing is replaced. */
  readonly ready?: () => void | Promise<void>;
}

/** What `env.files` writes. Text is encoded as UTF-8. */
export type FileData = string | Uint8Array | ReadableStream<Uint8Array>;

/**
 * `env.files`. Paths are absolute. Every method rejects with a TypeError for a path outside the
 * granted folders, and for a write in a read-only folder.
 */
export interface Files {
  /** Reads a file, or a range of it, into memory. */
  read(path: string, range?: FileRange): Promise<Uint8Array>;
  /** Reads a file as UTF-8 text. */
  text(path: string): Promise<string>;
  /** Reads a file, or a range of it, as a stream. */
  stream(path: string, range?: FileRange): Promise<ReadableStream<Uint8Array>>;
  /** Overwrites a file, or creates it. A reader may see a part of the new bytes. */
  write(path: string, data: FileData): Promise<void>;
  /** Appends to a file, or creates it. */
  append(path: string, data: FileData): Promise<void>;
  /** Replaces a file atomically and durably. */
  replace(path: string, data: FileData, options?: ReplaceOptions): Promise<void>;
  /** Makes a response whose body the server reads from the file. */
  respond(path: string, options?: FileResponseOptions): Response;
  /** Lists a folder, in the order of the file system; `most` limits the number of entries. */
  list(path: string, options?: { readonly most?: number }): Promise<FileInfo[]>;
  /** Reads size, kind and times of a file or folder. Symlinks are followed. */
  stat(path: string): Promise<FileInfo>;
  /** Creates a folder; its parent must exist. */
  mkdir(path: string): Promise<void>;
  /** Removes a file or an empty folder. */
  remove(path: string): Promise<void>;
}

/** Value of a parameter of a query. */
export type SqlValue = string | number | bigint | null | Uint8Array;

/** Limits and options of a query. */
export interface SqlOptions {
  /** Largest number of rows; 1000 by default. */
  readonly maxRows?: number;
  /** Largest number of bytes of all values; 16 MiB by default. */
  readonly maxBytes?: number;
  /** Time limit in milliseconds; 2000 by default. */
  readonly timeoutMs?: number;
  /** `true`: read a consistent copy in memory. `false`: open the file itself. */
  readonly copy?: boolean;
}

/** Result of a query. */
export interface SqlResult {
  readonly columns: string[];
  /** Values of each row in the order of `columns`. An integer beyond 2^53 is a string. */
  readonly rows: (string | number | null | Uint8Array)[][];
  /** Whether there are more rows than `maxRows`. */
  readonly truncated: boolean;
}

/** `env.sql`. */
export interface Sql {
  /**
   * Runs one read-only statement.
   *
   * @param source absolute path of a SQLite file in a granted folder, or a database as bytes
   * @param sql one statement that returns rows
   * @param params values by position, or by name without the prefix `:`, `@` or `$`
   * @throws {Error} the `name` is the reason: `SqliteError`, `TimeoutError`, `QuotaExceededError`,
   * `Busy`, `NotFound`, `TypeError` or `NotCapable`
   */
  query(
    source: string | Uint8Array | ReadableStream<Uint8Array>,
    sql: string,
    params?: readonly SqlValue[] | Readonly<Record<string, SqlValue>>,
    options?: SqlOptions,
  ): Promise<SqlResult>;
}

/** A stored value. */
export interface KvEntry {
  /** As it was set: text, bytes (`Uint8Array`) or a value of JSON. Check it before use. */
  readonly value: unknown;
  /** Increases with each change of the key, also after a deletion. */
  readonly version: number;
}

/** A key without its value. */
export interface KvKey {
  readonly key: string;
  readonly version: number;
  /** Length of the stored value. */
  readonly bytes: number;
}

/** Condition of a change. */
export interface KvCondition {
  /** The change takes place only if the key has this version; 0 means that it has no value. */
  readonly ifVersion?: number;
}

/** `env.kv`. A value is on disk when `set` resolves. */
export interface Kv {
  /** Reads a value; undefined if the key has none. */
  get(key: string): Promise<KvEntry | undefined>;
  /**
   * Stores a value.
   *
   * @returns `ok: false` if the key does not have the version
   * @throws {TypeError} the key or the value cannot be stored
   * @throws {RangeError} the key or the value is too long
   */
  set(
    key: string,
    value: unknown,
    condition?: KvCondition,
  ): Promise<{ readonly ok: true; readonly version: number } | { readonly ok: false }>;
  /** Deletes a value. A key without a value is not an error. */
  delete(key: string, condition?: KvCondition): Promise<{ readonly ok: boolean }>;
  /**
   * Lists keys that begin with `prefix`, after the key `after`. Their order is fixed, and not that of
   * the alphabet.
   *
   * @param page `limit`: 100 by default, at most 1000
   * @returns `after` is present if more keys follow
   */
  list(
    page?: { readonly prefix?: string; readonly after?: string; readonly limit?: number },
  ): Promise<{ readonly keys: readonly KvKey[]; readonly after?: string }>;
}
