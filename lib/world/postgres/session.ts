/**
 * One session with one PostgreSQL server. It never reconnects and never cancels a query: a cancelled
 * wait for a standby is reported as success. What is late or doubtful ends the session, and the caller
 * asks the primary what happened.
 *
 * The driver is loaded with the first session.
 */

import type { PgClient, PgNotice, PgOptions, PgResult } from "../../deps/pg.ts";
import {
  IDLE_TRANSACTION_MS,
  MAX_PREPARED_STATEMENTS,
  SESSION_OPEN_MS,
  SESSION_QUERY_MS,
} from "../../cluster_limits.ts";
import { formatHost, type StoreHost, type StoreUrl } from "./store_url.ts";

/** A parameter of a statement. Bytes are sent as they are; bytes in an array are sent as digits. */
export type PgValue = string | number | bigint | boolean | null | Uint8Array | readonly PgValue[];

/**
 * A row by the names of its columns. Numbers are `number` (also int8, which is refused beyond 2^53),
 * booleans `boolean`, bytes `Uint8Array`, SQL NULL `null`, and all else text. The caller checks the types.
 */
export type PgRow = Readonly<Record<string, unknown>>;

/**
 * Why a query has no rows. `code` is the SQLSTATE of a statement that changed nothing, or:
 *
 * - `refused`: the session could not be opened. Nothing was sent.
 * - `late`: there was no answer in time. It may have happened, or may still happen.
 * - `lost`: the session ended before the answer, or the server stopped waiting for its standby. It may
 *   have happened.
 */
export class SessionError extends Error {
  override readonly name = "SessionError";
  readonly code: string;
  /** SQLSTATE that the server gave, also for `refused` and `lost`. */
  readonly sqlState?: string;
  /** Name of the constraint that a statement violated. */
  readonly constraint?: string;

  constructor(
    code: string,
    message: string,
    details: {
      readonly sqlState?: string;
      readonly constraint?: string;
      readonly cause?: unknown;
    } = {},
  ) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.code = code;
    if (details.sqlState !== undefined) this.sqlState = details.sqlState;
    if (details.constraint !== undefined) this.constraint = details.constraint;
  }

  /** Whether the statement may have had an effect. */
  get isUnknown(): boolean {
    return this.code === "late" || this.code === "lost";
  }
}

/** Options of a session. */
export interface SessionOptions {
  /** Settings of the session in addition to the common ones, such as `synchronous_commit`. */
  readonly settings?: Readonly<Record<string, string>>;
  /** Name of the node, for `pg_stat_activity`. */
  readonly node?: string;
  /** Most milliseconds until it is open. */
  readonly openMs?: number;
  /** Called for each notification of a channel that the session listens to. */
  onNotification?(payload: string): void;
  /** Called once when the session ends, by whatever cause, except by `drop`. */
  onLost?(error: SessionError): void;
}

/** A server to open sessions with. */
export interface SessionTarget {
  readonly host: StoreHost;
  readonly store: StoreUrl;
}

/** An open session. */
export interface Session {
  /** False after it was dropped or lost. */
  readonly isOpen: boolean;
  /** Whether it is inside of a transaction. */
  readonly inTransaction: boolean;
  /** Process of the server, as `pg_stat_activity` shows it. */
  readonly pid: number;
  /**
   * Runs a statement. Statements that are sent without waiting for the earlier ones travel together; the
   * server runs them in order.
   *
   * @param text one statement, or several if there are no parameters
   * @param values parameters, also an empty list: the statement is prepared once for the session
   * @param deadlineMs most milliseconds until the answer; the session is dropped after it
   * @throws {SessionError} if the statement failed or its outcome is not known
   */
  query(text: string, values?: readonly PgValue[], deadlineMs?: number): Promise<readonly PgRow[]>;
  /** Closes the connection at once. Pending queries are rejected as `lost`. */
  drop(): void;
}

/** Settings of every session. Text that the node reads must not depend on the server's configuration. */
const SETTINGS: Readonly<Record<string, string>> = {
  search_path: "elastik",
  // A plan above jit_above_cost would be compiled at each execution.
  jit: "off",
  synchronous_commit: "on",
  idle_in_transaction_session_timeout: String(IDLE_TRANSACTION_MS),
  // The server ends the session of a node that has vanished, and the transaction in it.
  tcp_keepalives_idle: "10",
  tcp_keepalives_interval: "5",
  tcp_keepalives_count: "3",
  tcp_user_timeout: "20000",
  statement_timeout: "0",
  lock_timeout: "0",
  default_transaction_isolation: "read committed",
  default_transaction_read_only: "off",
  standard_conforming_strings: "on",
  bytea_output: "hex",
  TimeZone: "UTC",
  DateStyle: "ISO",
};

/** Types whose text is not the value, by their OID: the function that reads them. */
const PARSERS: Readonly<Record<number, (text: string) => unknown>> = {
  16: (text) => text === "t",
  17: (text) => Uint8Array.fromHex(text.slice(2)),
  20: parseInteger,
  21: Number,
  23: Number,
  26: Number,
  700: Number,
  701: Number,
};
const TYPES = { getTypeParser: (type: number) => PARSERS[type] ?? String };

/** The value of an option that has none, so that the package does not read it from the environment. */
const NONE = " ";
/** What PgBouncer says to a start-up packet with settings. */
const NO_START_OPTIONS = /unsupported startup parameter/;

/** SQLSTATEs after which the session has ended, and a statement may have been committed before. */
const SESSION_ENDED = /^(?:08...|57P0.|25P0[34]|40003)$/;

/**
 * Opens a session.
 *
 * @throws {SessionError} `refused`
 */
export async function openSession(
  target: SessionTarget,
  options: SessionOptions = {},
): Promise<Session> {
  const { openMs = SESSION_OPEN_MS } = options;
  await loadDriver();
  const end = performance.now() + openMs;
  const ssl = await readTls(target.store, target.host);
  const settings = { ...SETTINGS, ...options.settings };
  try {
    return await connect(target, options, ssl, settings, openMs);
  } catch (error) {
    if (!(error instanceof SessionError) || !NO_START_OPTIONS.test(error.message)) throw error;
    // A pooler that does not pass settings on at the start. In its session mode they last as well.
    const session = await connect(target, options, ssl, {}, Math.max(1, end - performance.now()));
    const text = Object.entries(settings).map(([name, value]) =>
      `SET ${name} = '${value.replaceAll("'", "''")}'`
    ).join("; ");
    await session.query(text, undefined, Math.max(1, end - performance.now()));
    return session;
  }
}

/** Loads the driver, which only a node over PostgreSQL needs. No deadline of a server counts this time. */
export async function loadDriver() {
  return await import("../../deps/pg.ts");
}

async function connect(
  { host, store }: SessionTarget,
  options: SessionOptions,
  ssl: PgOptions["ssl"],
  settings: Readonly<Record<string, string>>,
  openMs: number,
): Promise<Session> {
  const { PgDriver } = await loadDriver();
  const driverOptions: PgOptions = {
    host: host.host,
    port: host.port,
    user: store.user,
    database: store.database,
    password() {
      if (store.password !== undefined) return store.password;
      throw new Error("the server asks for a password, and ELASTIK_STORE has none");
    },
    ssl,
    sslnegotiation: "postgres",
    options: Object.entries(settings)
      .map(([name, value]) => `-c ${name}=${value.replace(/[\\\s]/g, "\\$&")}`).join(" ") || NONE,
    application_name: `elastik/${options.node ?? ""}`,
    client_encoding: "UTF8",
    // Given so that the package does not read variables PG* of the environment; set back below.
    binary: true,
    replication: NONE,
    connectionTimeoutMillis: 0,
    keepAlive: true,
    pipeline: true,
    types: TYPES,
  };
  const client: PgClient = new PgDriver(driverOptions);
  client.binary = false;
  client.connectionParameters.replication = undefined;
  if (driverOptions.options === NONE) client.connectionParameters.options = undefined;
  const session = new PgSession(client, options, formatHost(host));
  await session.open(openMs);
  return session;
}

class PgSession implements Session {
  readonly #client: PgClient;
  readonly #options: SessionOptions;
  readonly #server: string;
  /** Names of prepared statements by their text. */
  readonly #names = new Map<string, string>();
  /** What rejects the queries that have no answer yet. */
  readonly #pending = new Set<(error: SessionError) => void>();
  #state: "opening" | "open" | "ended" = "opening";
  /** Why it ended before it was open. */
  #early: SessionError | undefined;

  constructor(client: PgClient, options: SessionOptions, server: string) {
    this.#client = client;
    this.#options = options;
    this.#server = server;
    client.on("error", (error) => this.#lose(toLost(error)));
    client.on("end", () => this.#lose(new SessionError("lost", "the server closed the session")));
    client.on("notice", (notice) => this.#onNotice(notice));
    client.on("notification", ({ payload = "" }) => {
      if (this.isOpen) options.onNotification?.(payload);
    });
  }

  get isOpen(): boolean {
    return this.#state === "open";
  }

  get inTransaction(): boolean {
    return (this.#client.getTransactionStatus() ?? "I") !== "I";
  }

  get pid(): number {
    return this.#client.processID ?? 0;
  }

  async open(openMs: number): Promise<void> {
    const { promise: late, reject } = Promise.withResolvers<never>();
    const timer = setTimeout(() => {
      reject(new SessionError("refused", notAnswered(this.#server, openMs)));
    }, openMs);
    try {
      await Promise.race([this.#client.connect(), late]);
    } catch (error) {
      this.#state = "ended";
      this.#client.connection.stream.destroy();
      throw toRefused(error, this.#server);
    } finally {
      clearTimeout(timer);
    }
    if (this.#early !== undefined) throw this.#early;
    this.#state = "open";
  }

  query(
    text: string,
    values?: readonly PgValue[],
    deadlineMs: number = SESSION_QUERY_MS,
  ): Promise<readonly PgRow[]> {
    if (!this.isOpen) {
      // Nothing was sent, so this is not an unknown outcome.
      return Promise.reject(
        new SessionError("refused", `the session with ${this.#server} has ended`),
      );
    }
    const { promise, resolve, reject } = Promise.withResolvers<readonly PgRow[]>();
    const settle = (): boolean => {
      clearTimeout(timer);
      return this.#pending.delete(fail);
    };
    const fail = (error: SessionError): void => {
      settle();
      reject(error);
    };
    const timer = setTimeout(() => {
      fail(new SessionError("late", notAnswered(this.#server, deadlineMs)));
      this.drop();
    }, deadlineMs);
    this.#pending.add(fail);
    this.#send(text, values).then((result) => {
      if (!settle()) return;
      resolve(lastResult(result).rows);
    }, (error: unknown) => {
      // It was rejected already if the session has ended.
      if (!this.#pending.has(fail)) return;
      const known = toSessionError(error);
      fail(known);
      if (known.isUnknown) this.#lose(known);
    });
    return promise;
  }

  drop(): void {
    this.#end(new SessionError("lost", `the session with ${this.#server} was dropped`));
  }

  #end(error: SessionError): void {
    if (this.#state === "ended") return;
    this.#state = "ended";
    this.#client.connection.stream.destroy();
    for (const fail of [...this.#pending]) fail(error);
  }

  #send(
    text: string,
    values: readonly PgValue[] | undefined,
  ): Promise<PgResult | readonly PgResult[]> {
    if (values === undefined) return this.#client.query(text);
    const parameters = values.map(toParameter);
    let name = this.#names.get(text);
    if (name === undefined && this.#names.size < MAX_PREPARED_STATEMENTS) {
      name = `s${this.#names.size}`;
      this.#names.set(text, name);
    }
    return this.#client.query({
      text,
      values: parameters,
      ...(name === undefined ? {} : { name }),
    });
  }

  /**
   * A server whose wait for its standby is cancelled has committed, and reports success after a warning.
   * The warning is known by the function that gives it, because its text is translated.
   */
  #onNotice({ code, message = "", routine }: PgNotice): void {
    if (code !== "01000" && code !== "57P01") return;
    if (routine !== "SyncRepWaitForLSN" && !/synchronous replication/.test(message)) return;
    this.#lose(
      new SessionError("lost", `${this.#server} stopped waiting for its standby`, {
        sqlState: code,
      }),
    );
  }

  #lose(error: SessionError): void {
    if (this.#state === "opening") this.#early ??= error;
    if (this.#state !== "open") return;
    this.#end(error);
    this.#options.onLost?.(error);
  }
}

/** The rest of a deadline can be a fraction of a millisecond. */
function notAnswered(server: string, ms: number): string {
  return `${server} did not answer within ${Math.ceil(ms)} ms`;
}

function lastResult(result: PgResult | readonly PgResult[]): PgResult {
  if ("rows" in result) return result;
  return result.at(-1) ?? { rows: [] };
}

function toParameter(value: PgValue): string | Uint8Array | null {
  if (value === null || typeof value === "string" || value instanceof Uint8Array) return value;
  return typeof value === "object" ? formatArray(value) : String(value);
}

/** Formats an array as the literal that the server reads, whatever the type of its elements is. */
function formatArray(values: readonly PgValue[]): string {
  let text = "{";
  for (let i = 0; i < values.length; i++) {
    const value = values[i] ?? null;
    if (i > 0) text += ",";
    if (value === null) text += "NULL";
    else if (typeof value === "string") text += quoteElement(value);
    else if (value instanceof Uint8Array) text += `"\\\\x${value.toHex()}"`;
    else text += typeof value === "object" ? formatArray(value) : String(value);
  }
  return `${text}}`;
}

function quoteElement(text: string): string {
  return /["\\]/.test(text) ? `"${text.replace(/["\\]/g, "\\$&")}"` : `"${text}"`;
}

/**
 * A number that is not exact stays text. An error here would end the session, so one damaged row would
 * look like a database that cannot be reached.
 */
function parseInteger(text: string): number | string {
  const value = Number(text);
  return Number.isSafeInteger(value) ? value : text;
}

/** The options of TLS for the driver; the certificate is checked by the runtime. */
async function readTls(
  { tls, tlsFiles }: StoreUrl,
  { host }: StoreHost,
): Promise<false | Readonly<Record<string, unknown>>> {
  if (tls === "disable" || host.startsWith("/")) return false;
  const [ca, cert, key] = await Promise.all(
    [tlsFiles.rootCertificate, tlsFiles.certificate, tlsFiles.key].map(readPem),
  );
  return {
    rejectUnauthorized: tls !== "require",
    ...(tls === "verify-ca" ? { checkServerIdentity: () => undefined } : {}),
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined ? {} : { cert, key }),
  };
}

async function readPem(path: string | undefined): Promise<string | undefined> {
  if (path === undefined) return undefined;
  try {
    return await Deno.readTextFile(path);
  } catch (cause) {
    throw new SessionError("refused", `a file for TLS in ELASTIK_STORE cannot be read: ${path}`, {
      cause,
    });
  }
}

/** What the server said about an error, if it was the server. */
function serverFields(
  error: unknown,
): { sqlState?: string; constraint?: string; isFatal: boolean } {
  if (!(error instanceof Error)) return { isFatal: false };
  const fields: Readonly<Record<string, unknown>> = { ...error };
  const { code, constraint, severity } = fields;
  // The driver's errors of the socket have codes such as ECONNREFUSED.
  const isServers = typeof severity === "string" && typeof code === "string";
  return {
    ...(isServers ? { sqlState: code } : {}),
    ...(isServers && typeof constraint === "string" ? { constraint } : {}),
    isFatal: severity === "FATAL" || severity === "PANIC",
  };
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function toSessionError(error: unknown): SessionError {
  const { isFatal, ...fields } = serverFields(error);
  const { sqlState } = fields;
  if (sqlState === undefined || isFatal || SESSION_ENDED.test(sqlState)) return toLost(error);
  return new SessionError(sqlState, messageOf(error), { ...fields, cause: error });
}

function toLost(error: unknown): SessionError {
  const { isFatal: _, ...fields } = serverFields(error);
  return new SessionError("lost", messageOf(error), { ...fields, cause: error });
}

function toRefused(error: unknown, server: string): SessionError {
  if (error instanceof SessionError) return error;
  const { isFatal: _, ...fields } = serverFields(error);
  return new SessionError("refused", `${server}: ${messageOf(error)}`, { ...fields, cause: error });
}
