/**
 * The settings, read once at the start from the environment and from a `.env` file in the working
 * folder; the environment has priority. This is the only module that reads `Deno.env`. Every
 * setting is validated, so that a typing error stops the start with a message instead of becoming a
 * silent default.
 */

import { parseDurationSeconds } from "./base/duration.ts";
import { type EnvAssignment, parseEnvFile } from "./base/env_file.ts";
import { findMisnamedEnv, readEnvText } from "./base/read_env_text.ts";
import { findNearestName } from "./base/nearest_name.ts";
import { sanitizeText } from "./base/sanitize_text.ts";
import { isLoopback, parseIp } from "./http/ip_address.ts";
import { CELL_LIMITS, type CellLimits } from "./cell_limits.ts";
import { type ClusterConfig, readClusterConfig } from "./cluster_config.ts";
import { DAV_LIMITS, type DavLimits, MAX_LOCKS_PER_CREDENTIAL } from "./dav_limits.ts";
import {
  CACHE_BYTES,
  CLIENT_LOG_LINES_PER_SECOND,
  EDGE_LIMITS,
  type EdgeLimits,
  HISTORY_BYTES,
  HISTORY_VERSIONS,
  LOCK_WAIT_MS,
  LONG_JOBS,
  LONG_JOBS_WAITING,
  LONG_JOBS_WAITING_PER_CLIENT,
  LONG_READS,
  LONG_READS_WAITING,
  LONG_READS_WAITING_PER_CLIENT,
  MAX_BODY_BYTES,
  MAX_LOG_BUFFER_CHARS,
  MAX_SNAPSHOT_FILES,
  MAX_SNAPSHOT_FILES_PER_CLIENT,
  MAX_STREAM_BUFFER_BYTES,
  MAX_STREAM_LAG_BYTES,
  MAX_STREAMS,
  MAX_STREAMS_PER_CLIENT,
  MAX_WORLD_BYTES,
  MIN_LOG_BUFFER_CHARS,
  SOCKET_STEP_BYTES,
  TRASH_KEEP,
} from "./limits.ts";
import { SEARCHES, SEARCHES_WAITING, SEARCHES_WAITING_PER_CLIENT } from "./search_limits.ts";
import { LONGEST_TOKEN_GRACE_SECONDS, type SettingName, SETTINGS } from "./settings.ts";

/** Jobs that run at the same time, that can wait, and that can wait for one client. */
interface JobLimits {
  readonly running: number;
  readonly waiting: number;
  readonly waitingPerClient: number;
}

/** The validated settings of the server. */
export interface Config extends ClusterConfig {
  /** `ELASTIK_TOKEN`; if absent, loopback callers have T2. */
  readonly token?: string;
  /** `ELASTIK_APPROVE_TOKEN`; if absent, one is generated and stored in the data folder. */
  readonly approveToken?: string;
  /** How long a replaced token stays valid after a reload, in milliseconds; 0: not at all. */
  readonly tokenGraceMs: number;
  /** `ELASTIK_KEY`; if absent, one is generated and stored in the data folder. */
  readonly key?: string;
  readonly host: string;
  readonly port: number;
  readonly data: string;
  /** Paths of certificate and private key; absent for plain HTTP. */
  readonly tls?: { readonly cert: string; readonly key: string };
  readonly trustHeader?: string;
  readonly trustFrom: readonly string[];
  /**
   * Additional `Host` names that are accepted from loopback clients. Without a token there are no
   * other clients.
   */
  readonly allowedHosts: readonly string[];
  readonly maxBodyBytes: number;
  /** Most WebDAV locks of one credential. */
  readonly maxLocksPerCredential: number;
  readonly maxWorldBytes: number;
  readonly history: { readonly versions: number; readonly bytes: number };
  /** How long deleted worlds are kept, in milliseconds; absent: for ever. */
  readonly trashMs?: number;
  readonly cacheBytes: number;
  readonly sync: "full" | "normal";
  readonly writers: number;
  /** How long a request waits for a world that another process has locked, in milliseconds. */
  readonly lockWaitMs: number;
  /** Limits of audits and copies of worlds, of reads of long bodies, and of searches. */
  readonly longJobs: JobLimits;
  readonly longReads: JobLimits;
  readonly searches: JobLimits;
  /** Long copies that clients read, in total and of one client. */
  readonly snapshots: { readonly files: number; readonly filesPerClient: number };
  /** Format of the access log on the standard output. */
  readonly accessLogFormat: "off" | "line" | "json";
  readonly streamLimits: {
    /** Open event streams of the server and of one client. */
    readonly maxStreams: number;
    readonly maxStreamsPerClient: number;
    /** Bytes that wait for one reader, and bytes of all events that wait for readers. */
    readonly lagBytes: number;
    readonly bufferBytes: number;
  };
  /** Log lines of one kind per second that clients can cause; 0 means no limit. */
  readonly clientLogLinesPerSecond: number;
  /** Characters of a log that can wait to be written. */
  readonly logBufferChars: number;
  /** Limits of every plugin process. */
  readonly cellLimits: CellLimits;
  /** Limits of connections, and of bodies that are received or sent. */
  readonly edgeLimits: EdgeLimits;
  readonly davLimits: DavLimits;
}

/** An invalid setting. The message is for the operator. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
}

/** Variables that only the installers and the self-test read. They are not settings of the server. */
const CLIENT_SETTINGS: readonly string[] = ["ELASTIK_URL"];

/** Settings that restrict access. A misspelt one must not leave the server open. */
const SECRET_SETTINGS = ["ELASTIK_TOKEN", "ELASTIK_APPROVE_TOKEN", "ELASTIK_KEY"] as const;

/** Longest edit distance at which a name of another program counts as a misspelt token setting. */
const MAX_MISSPELLING = 2;

/**
 * Reads the environment of the process and, for unset variables, the `.env` file of the working
 * folder.
 *
 * @returns a function that looks up a variable; it returns undefined if the variable is unset or, for
 * a variable of another program, empty
 * @throws {ConfigError} if a name that begins with ELASTIK is not a setting, if a setting is empty,
 * if `.env` exists and cannot be read as settings, or if the settings are in a file of another name
 */
export function readEnvironment(): Promise<(name: string) => string | undefined> {
  return Promise.resolve().then(() => {
    for (const name of listEnvironmentNames()) {
      assertSettingName(name, "the environment sets", false);
    }
    const file = readEnvFile(".env");
    if (![...file.keys()].some(isSettingName)) assertNoMisnamedEnv();
    return (name) => {
      const value = readVariable(name) ?? file.get(name);
      if (value === "" && isSettingName(name)) throw emptySetting(name);
      return value === "" ? undefined : value;
    };
  });
}

/** Refuses a file that looks like the settings and is not read. */
function assertNoMisnamedEnv(): void {
  const found = findMisnamedEnv(".", isInEnvironment);
  if (found === undefined) return;
  throw new ConfigError(
    `Cannot start: ${found} in the working folder contains settings, but only .env is read; ` +
      "rename it to .env, or remove it",
  );
}

/** Reads a variable of the environment. Deno's own error would print a token that is not UTF-8. */
function readVariable(name: string): string | undefined {
  try {
    return Deno.env.get(name);
  } catch (error) {
    if (error instanceof Deno.errors.NotCapable) throw error;
    throw new ConfigError(`Cannot use ${name}: its value is not valid UTF-8; correct or remove it`);
  }
}

/** Whether a variable is set in the environment itself and not only in `.env`. */
export function isInEnvironment(name: string): boolean {
  return readVariable(name) !== undefined;
}

/** Names of the environment; empty if the program may read only single variables. */
function listEnvironmentNames(): string[] {
  try {
    const names = Object.keys(Deno.env.toObject());
    return Deno.build.os === "windows" ? names.map((name) => name.toUpperCase()) : names;
  } catch (error) {
    if (error instanceof Deno.errors.NotCapable) return [];
    throw error;
  }
}

function isSettingName(name: string): boolean {
  return Object.hasOwn(SETTINGS, name) || CLIENT_SETTINGS.includes(name);
}

/**
 * Refuses a name that begins with ELASTIK, or is nearly the name of a token setting, and is not a
 * setting. The value of such a line would silently have no effect.
 */
function assertSettingName(name: string, where: string, isWritten: boolean): void {
  if (isSettingName(name)) return;
  const known = [...Object.keys(SETTINGS), ...CLIENT_SETTINGS];
  const isOwn = name.toUpperCase().startsWith("ELASTIK");
  // A shell sets many variables that have nothing to do with the server; a person writes `.env`.
  if (!isOwn && !isWritten) return;
  const nearest = findNearestName(name, isOwn ? known : SECRET_SETTINGS);
  if (!isOwn && nearest.distance > MAX_MISSPELLING) return;
  throw new ConfigError(
    `Cannot start: ${where} ${sanitizeText(name)}, which is not a setting; ` +
      `the nearest setting is ${nearest.name}, correct the name or remove it`,
  );
}

/**
 * Refuses a value that contains another setting: a line break is missing, or is one that the parser
 * does not know. The other setting would have no effect, and an error message could quote a token. The
 * user in an address is not a setting, such as the role elastik_node with a password.
 */
function assertOneSetting(name: string, value: string): void {
  if (!/ELASTIK_[A-Z_]+\s*(?:=|(?<!:\/\/[^@/\s]*):)/i.test(value)) return;
  throw new ConfigError(
    `Cannot use ${name}: its value contains another setting; write each setting on its own line`,
  );
}

function emptySetting(name: string): ConfigError {
  return new ConfigError(
    `Cannot use ${name}: it is set to an empty value; give it a value or remove it`,
  );
}

/**
 * Validates the settings.
 *
 * @param env looks up a variable; undefined if unset or empty
 * @throws {ConfigError} with the variable, its value and what is valid
 */
export function readConfig(env: (name: string) => string | undefined): Config {
  const read = (name: SettingName) => {
    const value = env(name);
    if (value?.trim() === "") throw emptySetting(name);
    if (value !== undefined) assertOneSetting(name, value);
    return value;
  };
  for (const name of SECRET_SETTINGS) assertSendable(name, read(name));
  const token = read("ELASTIK_TOKEN");
  const approveToken = read("ELASTIK_APPROVE_TOKEN");
  const key = read("ELASTIK_KEY");
  assertDifferentSecrets(read);
  const trustHeader = read("ELASTIK_TRUST_PROXY_HEADER");
  const host = readHost(read("ELASTIK_HOST") ?? "127.0.0.1");
  if (!isLoopbackHost(host) && (token === undefined || approveToken === undefined)) {
    throw new ConfigError(
      `Cannot listen on ${host}: an address that other computers can reach needs ELASTIK_TOKEN and ` +
        "ELASTIK_APPROVE_TOKEN; set both, or set ELASTIK_HOST to 127.0.0.1",
    );
  }
  const jobs = (
    name: "LONG_JOBS" | "LONG_READS" | "SEARCHES",
    running: number,
    waiting: number,
    waitingPerClient: number,
  ): JobLimits => ({
    running: Math.max(1, parseWholeNumber(read, `ELASTIK_${name}`, running, 64)),
    waiting: parseWholeNumber(read, `ELASTIK_${name}_WAITING`, waiting),
    waitingPerClient: parseWholeNumber(read, `ELASTIK_${name}_CLIENT`, waitingPerClient),
  });
  return {
    ...(token === undefined ? {} : { token }),
    ...(approveToken === undefined ? {} : { approveToken }),
    tokenGraceMs: tokenGrace(read("ELASTIK_TOKEN_GRACE")),
    ...(key === undefined ? {} : { key }),
    host,
    port: parseWholeNumber(read, "ELASTIK_PORT", 3005, 65535),
    data: readPath(read, "ELASTIK_DATA") ?? "data",
    ...readClusterConfig(read, parseWholeNumber, oneOf),
    ...readTls(read),
    ...(trustHeader === undefined ? {} : { trustHeader }),
    trustFrom: parseList(read("ELASTIK_TRUST_PROXY_FROM")),
    allowedHosts: parseList(read("ELASTIK_HOSTS")),
    maxBodyBytes: parseWholeNumber(read, "ELASTIK_MAX_BODY", MAX_BODY_BYTES),
    maxLocksPerCredential: parseWholeNumber(
      read,
      "ELASTIK_MAX_LOCKS",
      MAX_LOCKS_PER_CREDENTIAL,
      DAV_LIMITS.locks,
    ),
    maxWorldBytes: parseWholeNumber(read, "ELASTIK_MAX_WORLD", MAX_WORLD_BYTES),
    history: history(read("ELASTIK_HISTORY")),
    ...trash(read("ELASTIK_TRASH")),
    cacheBytes: parseWholeNumber(read, "ELASTIK_CACHE", CACHE_BYTES),
    sync: oneOf(read, "ELASTIK_SYNC", ["full", "normal"]),
    writers: Math.max(1, parseWholeNumber(read, "ELASTIK_WRITERS", 2, 64)),
    lockWaitMs: parseWholeNumber(read, "ELASTIK_LOCK_WAIT", LOCK_WAIT_MS, 600_000),
    longJobs: jobs("LONG_JOBS", LONG_JOBS, LONG_JOBS_WAITING, LONG_JOBS_WAITING_PER_CLIENT),
    longReads: jobs("LONG_READS", LONG_READS, LONG_READS_WAITING, LONG_READS_WAITING_PER_CLIENT),
    searches: jobs("SEARCHES", SEARCHES, SEARCHES_WAITING, SEARCHES_WAITING_PER_CLIENT),
    snapshots: {
      files: Math.max(1, parseWholeNumber(read, "ELASTIK_SNAPSHOTS", MAX_SNAPSHOT_FILES)),
      filesPerClient: Math.max(
        1,
        parseWholeNumber(read, "ELASTIK_SNAPSHOTS_CLIENT", MAX_SNAPSHOT_FILES_PER_CLIENT),
      ),
    },
    accessLogFormat: oneOf(read, "ELASTIK_LOG", ["off", "line", "json"]),
    streamLimits: {
      maxStreams: parseWholeNumber(read, "ELASTIK_STREAMS", MAX_STREAMS),
      maxStreamsPerClient: parseWholeNumber(
        read,
        "ELASTIK_STREAMS_PER_CLIENT",
        MAX_STREAMS_PER_CLIENT,
      ),
      lagBytes: parseWholeNumber(read, "ELASTIK_STREAM_LAG", MAX_STREAM_LAG_BYTES),
      bufferBytes: parseWholeNumber(read, "ELASTIK_STREAM_BUFFER", MAX_STREAM_BUFFER_BYTES),
    },
    clientLogLinesPerSecond: parseWholeNumber(
      read,
      "ELASTIK_LOG_RATE",
      CLIENT_LOG_LINES_PER_SECOND,
    ),
    // A shorter buffer would drop every long line, such as one with a stack.
    logBufferChars: Math.max(
      MIN_LOG_BUFFER_CHARS,
      parseWholeNumber(read, "ELASTIK_LOG_BUFFER", MAX_LOG_BUFFER_CHARS),
    ),
    cellLimits: readCellLimits(read),
    edgeLimits: readEdgeLimits(read),
    davLimits: readDavLimits(read),
  };
}

/**
 * Refuses a secret that no client can send: HTTP removes spaces around a header value and forbids
 * control characters (RFC 9110 section 5.5).
 */
function assertSendable(name: SettingName, value: string | undefined): void {
  if (value === undefined || (value.trim() === value && !/\p{Cc}/u.test(value))) return;
  throw new ConfigError(
    `Cannot use ${name}: it begins or ends with a space, or contains a control character; ` +
      "remove it",
  );
}

/** Checks whether an address to listen on can be reached only from this computer. */
export function isLoopbackHost(host: string): boolean {
  const ip = parseIp(host);
  return host === "localhost" || (ip !== undefined && isLoopback(ip));
}

/** Reads the assignments of a `.env` file; none if there is no such file. */
function readEnvFile(path: string): ReadonlyMap<string, string> {
  const text = readEnvText(path);
  if (text === undefined) return new Map();
  if (typeof text !== "string") throw new ConfigError(`Cannot read ${path}: ${text.reason}`);
  const found = parseEnvFile(text);
  if ("reason" in found) {
    throw new ConfigError(
      `Cannot read ${path}: line ${found.line} cannot be used: ${found.reason}`,
    );
  }
  const values = new Map<string, string>();
  for (const assignment of found) {
    assertAssignment(path, assignment);
    const { name, value, line } = assignment;
    if (isSettingName(name) && values.has(name) && values.get(name) !== value) {
      throw new ConfigError(
        `Cannot use ${name} in line ${line} of ${path}: an earlier line has another value; ` +
          "remove one of them",
      );
    }
    values.set(name, value);
  }
  return values;
}

/** A caller that knows one secret must not know another: each gives different rights. */
function assertDifferentSecrets(read: (name: SettingName) => string | undefined): void {
  const names = new Map<string, SettingName>();
  for (const name of SECRET_SETTINGS) {
    const value = read(name);
    if (value === undefined) continue;
    const other = names.get(value);
    if (other !== undefined) {
      throw new ConfigError(
        `Cannot use ${name}: it is the same as ${other}, which gives other rights; choose another value`,
      );
    }
    names.set(value, name);
  }
}

/** A setting inside the value of another name, after an open quote or a Unicode line separator. */
const HIDDEN_SETTING = /[\r\n\v\f\u0085\u2028\u2029]\s*(?:export\s+)?elasti[kc]\w*\s*=/i;

function assertAssignment(path: string, { name, value, line, doubt }: EnvAssignment): void {
  assertSettingName(name, `line ${line} of ${path} sets`, true);
  if (HIDDEN_SETTING.test(value)) {
    throw new ConfigError(
      `Cannot read ${path}: the value in line ${line} contains a line that sets ELASTIK_…; close ` +
        "its quote, or use line breaks that every program reads as such",
    );
  }
  if (!isSettingName(name)) return;
  // Here too, because the environment can hide this value.
  assertOneSetting(name, value);
  if (doubt !== undefined) {
    throw new ConfigError(`Cannot use ${name} in line ${line} of ${path}: ${doubt}`);
  }
  if (value === "") {
    throw new ConfigError(
      `Cannot use ${name} in line ${line} of ${path}: the value is empty; ` +
        "give it a value, or remove the line",
    );
  }
}

type Read = (name: SettingName) => string | undefined;

function parseWholeNumber(
  read: Read,
  name: SettingName,
  defaultValue: number,
  max = Number.MAX_SAFE_INTEGER,
): number {
  const text = read(name);
  if (text === undefined) return defaultValue;
  const value = Number(text);
  if (/^\d+$/.test(text) && value <= max) return value;
  throw new ConfigError(
    `Cannot use ${name}="${text}": a whole number${
      max === Number.MAX_SAFE_INTEGER ? "" : ` of at most ${max}`
    } is needed`,
  );
}

function readCellLimits(read: Read): CellLimits {
  const {
    heapMiB,
    residentMiB,
    startTimeoutMs,
    responseTimeoutMs,
    heartbeatTimeoutMs,
    maxRequests,
    maxWaiting,
    maxDepth,
    maxLogLinesPerSecond,
    maxTimeoutsInARow,
    maxCalls,
    maxIgnoredFramesPerSecond,
    waitUntilTimeoutMs,
    idleMs,
    maxCrashes,
    queries,
  } = CELL_LIMITS;
  return {
    ...CELL_LIMITS,
    heapMiB: parseWholeNumber(read, "ELASTIK_CELL_HEAP", heapMiB),
    residentMiB: parseWholeNumber(read, "ELASTIK_CELL_MEMORY", residentMiB),
    startTimeoutMs: parseWholeNumber(read, "ELASTIK_CELL_START", startTimeoutMs),
    responseTimeoutMs: parseWholeNumber(read, "ELASTIK_CELL_ANSWER", responseTimeoutMs),
    heartbeatTimeoutMs: parseWholeNumber(read, "ELASTIK_CELL_BEAT", heartbeatTimeoutMs),
    maxRequests: Math.max(1, parseWholeNumber(read, "ELASTIK_CELL_REQUESTS", maxRequests)),
    maxWaiting: parseWholeNumber(read, "ELASTIK_CELL_WAITING", maxWaiting),
    maxDepth: parseWholeNumber(read, "ELASTIK_CELL_DEPTH", maxDepth),
    maxLogLinesPerSecond: parseWholeNumber(read, "ELASTIK_CELL_LOG", maxLogLinesPerSecond),
    maxTimeoutsInARow: Math.max(
      1,
      parseWholeNumber(read, "ELASTIK_CELL_TIMEOUTS", maxTimeoutsInARow),
    ),
    maxCalls: Math.max(1, parseWholeNumber(read, "ELASTIK_CELL_CALLS", maxCalls, 0xffff)),
    maxIgnoredFramesPerSecond: parseWholeNumber(
      read,
      "ELASTIK_CELL_MESSAGES",
      maxIgnoredFramesPerSecond,
    ),
    waitUntilTimeoutMs: parseWholeNumber(read, "ELASTIK_CELL_WORK", waitUntilTimeoutMs),
    unreadTimeoutMs: readEdgeLimits(read).unreadTimeoutMs,
    idleMs: parseWholeNumber(read, "ELASTIK_CELL_IDLE", idleMs),
    maxCrashes: Math.max(1, parseWholeNumber(read, "ELASTIK_CELL_CRASHES", maxCrashes)),
    queries: {
      maxProcesses: Math.max(1, parseWholeNumber(read, "ELASTIK_QUERIES", queries.maxProcesses)),
      maxMs: Math.max(1, parseWholeNumber(read, "ELASTIK_QUERY_TIME", queries.maxMs, 3_600_000)),
      residentMiB: parseWholeNumber(read, "ELASTIK_QUERY_MEMORY", queries.residentMiB),
    },
  };
}

/** A path without line breaks and other control characters, which would break the lines of the log. */
function readPath(read: Read, name: SettingName): string | undefined {
  const path = read(name);
  if (path === undefined || !/\p{Cc}/u.test(path)) return path;
  throw new ConfigError(`Cannot use ${name}: it contains a control character; name another path`);
}

/** An address or a name. An IPv6 address may have the brackets of a URL. */
function readHost(text: string): string {
  const host = text.startsWith("[") && text.endsWith("]") ? text.slice(1, -1) : text;
  const isV6 = host.includes(":");
  if (isV6 ? parseIp(host) !== undefined : host === text && /^[A-Za-z0-9._-]+$/.test(host)) {
    return host;
  }
  throw new ConfigError(
    `Cannot use ELASTIK_HOST="${
      sanitizeText(text)
    }": an IP address or a host name without a port ` +
      "is needed",
  );
}

function readEdgeLimits(read: Read): EdgeLimits {
  const atLeastOne = (name: SettingName, value: number) =>
    Math.max(1, parseWholeNumber(read, name, value));
  const idleTimeoutMs = atLeastOne("ELASTIK_IDLE_TIMEOUT", EDGE_LIMITS.idleTimeoutMs);
  const minBytesPerSecond = atLeastOne("ELASTIK_MIN_RATE", EDGE_LIMITS.minBytesPerSecond);
  return {
    maxConnections: parseWholeNumber(read, "ELASTIK_MAX_CONNECTIONS", EDGE_LIMITS.maxConnections),
    maxClientConnections: parseWholeNumber(
      read,
      "ELASTIK_MAX_CLIENT_CONNECTIONS",
      EDGE_LIMITS.maxClientConnections,
    ),
    headTimeoutMs: atLeastOne("ELASTIK_HEAD_TIMEOUT", EDGE_LIMITS.headTimeoutMs),
    idleTimeoutMs,
    unreadTimeoutMs: idleTimeoutMs + SOCKET_STEP_BYTES / minBytesPerSecond * 1000,
    bodyTimeoutMs: atLeastOne("ELASTIK_BODY_TIMEOUT", EDGE_LIMITS.bodyTimeoutMs),
    minBytesPerSecond,
    maxChunkWork: atLeastOne("ELASTIK_CHUNK_WORK", EDGE_LIMITS.maxChunkWork),
    maxBodyBytesInFlight: atLeastOne("ELASTIK_BODY_MEMORY", EDGE_LIMITS.maxBodyBytesInFlight),
    maxResponseBytesInFlight: atLeastOne(
      "ELASTIK_RESPONSE_MEMORY",
      EDGE_LIMITS.maxResponseBytesInFlight,
    ),
  };
}

function readDavLimits(read: Read): DavLimits {
  const limit = (name: SettingName, value: number) =>
    Math.max(1, parseWholeNumber(read, name, value));
  return {
    xmlBytes: limit("ELASTIK_DAV_XML", DAV_LIMITS.xmlBytes),
    xmlNodes: limit("ELASTIK_DAV_NODES", DAV_LIMITS.xmlNodes),
    names: limit("ELASTIK_DAV_NAMES", DAV_LIMITS.names),
    namesBytes: limit("ELASTIK_DAV_NAMES_BYTES", DAV_LIMITS.namesBytes),
    members: limit("ELASTIK_DAV_MEMBERS", DAV_LIMITS.members),
    properties: limit("ELASTIK_DAV_PROPERTIES", DAV_LIMITS.properties),
    propertyBytes: limit("ELASTIK_DAV_PROPERTY_BYTES", DAV_LIMITS.propertyBytes),
    locks: limit("ELASTIK_DAV_LOCKS", DAV_LIMITS.locks),
    sharedLocks: limit("ELASTIK_DAV_SHARED_LOCKS", DAV_LIMITS.sharedLocks),
  };
}

/** Certificate and key are needed together. */
function readTls(read: Read): { tls?: { cert: string; key: string } } {
  const cert = read("ELASTIK_TLS_CERT");
  const key = read("ELASTIK_TLS_KEY");
  if (cert !== undefined && key !== undefined) return { tls: { cert, key } };
  if (cert === undefined && key === undefined) return {};
  const [set, unset] = cert === undefined ? ["KEY", "CERT"] : ["CERT", "KEY"];
  throw new ConfigError(
    `Cannot use ELASTIK_TLS_${set}: ELASTIK_TLS_${unset} is not set; set both or neither`,
  );
}

function oneOf<const T extends string>(
  read: Read,
  name: SettingName,
  values: readonly [T, ...T[]],
): T {
  const text = read(name);
  if (text === undefined) return values[0];
  const found = values.find((value) => value === text.toLowerCase());
  if (found !== undefined) return found;
  throw new ConfigError(`Cannot use ${name}="${text}": ${values.join(" or ")} is needed`);
}

function parseList(text: string | undefined): string[] {
  return (text ?? "").split(",").map((word) => word.trim()).filter((word) => word !== "");
}

function history(text = `${HISTORY_VERSIONS}`): { versions: number; bytes: number } {
  const [, versions, bytes = HISTORY_BYTES] = /^(\d{1,9})(?::(\d{1,15}))?$/.exec(text) ?? [];
  if (versions !== undefined) return { versions: Number(versions), bytes: Number(bytes) };
  throw new ConfigError(
    `Cannot use ELASTIK_HISTORY="${text}": a number of versions is needed, or versions:bytes`,
  );
}

function tokenGrace(text?: string): number {
  const seconds = text === undefined ? 0 : parseDurationSeconds(text) ?? Infinity;
  if (seconds <= LONGEST_TOKEN_GRACE_SECONDS) return seconds * 1000;
  throw new ConfigError(
    `Cannot use ELASTIK_TOKEN_GRACE="${text}": a time of at most 7d, such as 10m, is needed`,
  );
}

function trash(text: string = TRASH_KEEP): { trashMs?: number } {
  if (text === "never") return {};
  const seconds = parseDurationSeconds(text);
  if (seconds !== undefined) return { trashMs: seconds * 1000 };
  throw new ConfigError(
    `Cannot use ELASTIK_TRASH="${text}": a time such as 30d or 12h is needed, or never`,
  );
}
