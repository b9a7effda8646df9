/**
 * What the operator may decide, read once: the environment, with a `.env` file in the working folder
 * behind it. The only file that reads `Deno.env`. Every setting is checked here, so that a typing
 * error stops the start with a sentence and never becomes a silent default.
 */

import { isLoopback, parseIp } from "./http/ip_address.ts";
import {
  CACHE_BYTES,
  CELL_LIMITS,
  type CellLimits,
  HISTORY_BYTES,
  HISTORY_VERSIONS,
  MAX_BODY_BYTES,
  MAX_WORLD_BYTES,
} from "./limits.ts";

/** The machine's settings. */
export interface Config {
  /** `ELASTIK_TOKEN`; absent on an open machine. */
  readonly token?: string;
  /** `ELASTIK_APPROVE_TOKEN`; absent when one is to be made and kept. */
  readonly approveToken?: string;
  /** `ELASTIK_KEY`; absent when one is to be made and kept. */
  readonly key?: string;
  readonly host: string;
  readonly port: number;
  readonly data: string;
  /** Where certificate and key lie; absent on a machine that speaks plain HTTP. */
  readonly tls?: { readonly cert: string; readonly key: string };
  readonly trustHeader?: string;
  readonly trustFrom: readonly string[];
  /** Names under which callers on this computer are at home, beside its own; an open machine has no others. */
  readonly allowedHosts: readonly string[];
  readonly maxBodyBytes: number;
  readonly maxWorldBytes: number;
  readonly history: { readonly versions: number; readonly bytes: number };
  readonly cacheBytes: number;
  readonly sync: "full" | "normal";
  readonly writers: number;
  /** Whether and how each answered request is written to the standard output. */
  readonly accessLogFormat: "off" | "line" | "json";
  /** Bounds of every plugin's cell. */
  readonly cellLimits: CellLimits;
}

/** A setting that cannot be used; the message is for the operator. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
}

/** Every environment variable the core reads, with what it is for; `/boot/env` and the README list these. */
export const SETTINGS = {
  ELASTIK_TOKEN: "T2 token; unset, loopback callers hold T2",
  ELASTIK_APPROVE_TOKEN: "T3 token; unset, one is made and kept in the data folder",
  ELASTIK_KEY: "signing key of events and capabilities; unset, one is made and kept",
  ELASTIK_HOST: "address to listen on, 127.0.0.1",
  ELASTIK_PORT: "port to listen on, 3005",
  ELASTIK_DATA: "data folder, data",
  ELASTIK_TLS_CERT: "PEM file of the certificate chain, for https",
  ELASTIK_TLS_KEY: "PEM file of its private key",
  ELASTIK_TRUST_PROXY_HEADER: "header in which a trusted proxy names its client",
  ELASTIK_TRUST_PROXY_FROM: "addresses or CIDR ranges of trusted proxies, comma separated",
  ELASTIK_HOSTS: "Host names under which callers on this computer are at home, comma separated",
  ELASTIK_MAX_BODY: "largest request body in bytes, 5242880",
  ELASTIK_MAX_WORLD: "largest world grown by appends in bytes, 67108864",
  ELASTIK_HISTORY: "earlier versions kept beside a world, 100 (or versions:bytes; 0 keeps none)",
  ELASTIK_CACHE: "memory for hot worlds in bytes, 67108864",
  ELASTIK_SYNC: "full (every answer is on disk) or normal (a power loss may take the last moments)",
  ELASTIK_WRITERS: "writer threads, 2",
  ELASTIK_LOG: "the access log on the standard output: off, line or json",
  ELASTIK_CELL_HEAP: "heap of a plugin in MiB, 128",
  ELASTIK_CELL_MEMORY: "resident memory of a plugin's process in MiB, 512",
  ELASTIK_CELL_START: "milliseconds a plugin may take to start, 10000",
  ELASTIK_CELL_ANSWER: "milliseconds until a plugin's first answering byte, 30000",
  ELASTIK_CELL_BEAT: "milliseconds a plugin may leave its heartbeat unanswered, 5000",
  ELASTIK_CELL_REQUESTS: "requests in a plugin at once, 64",
  ELASTIK_CELL_WAITING: "requests that wait for a plugin, 256",
  ELASTIK_CELL_DEPTH: "plugins that may wait for each other, 8",
  ELASTIK_CELL_LOG: "console lines of a plugin a second, 50",
  ELASTIK_CELL_IDLE:
    "milliseconds without a request until a plugin's process stops, 300000 (0 never)",
  ELASTIK_CELL_CRASHES: "crashes in a row after which a plugin is left alone for a minute, 6",
} as const;

/** The name of a setting. */
export type SettingName = keyof typeof SETTINGS;

/** Settings whose value tells nobody anything they could abuse. */
export const PUBLIC_SETTINGS: readonly SettingName[] = [
  "ELASTIK_HOST",
  "ELASTIK_PORT",
  "ELASTIK_DATA",
  "ELASTIK_MAX_BODY",
  "ELASTIK_MAX_WORLD",
  "ELASTIK_HISTORY",
  "ELASTIK_CACHE",
  "ELASTIK_SYNC",
  "ELASTIK_WRITERS",
  "ELASTIK_LOG",
  "ELASTIK_CELL_HEAP",
  "ELASTIK_CELL_MEMORY",
  "ELASTIK_CELL_START",
  "ELASTIK_CELL_ANSWER",
  "ELASTIK_CELL_BEAT",
  "ELASTIK_CELL_REQUESTS",
  "ELASTIK_CELL_WAITING",
  "ELASTIK_CELL_DEPTH",
  "ELASTIK_CELL_LOG",
  "ELASTIK_CELL_IDLE",
  "ELASTIK_CELL_CRASHES",
];

/** The environment as the process sees it: `.env` of the working folder below the real one. */
export async function readEnvironment(): Promise<(name: string) => string | undefined> {
  const file = await readEnvFile(".env");
  return (name) => {
    const value = Deno.env.get(name) ?? file[name];
    return value === undefined || value === "" ? undefined : value;
  };
}

/**
 * Checks the settings.
 *
 * @param env looks a variable up; empty counts as unset
 * @throws {ConfigError} naming the variable, what it holds and what would fit
 */
export function readConfig(env: (name: string) => string | undefined): Config {
  const read = (name: SettingName) => env(name);
  const token = read("ELASTIK_TOKEN");
  const approveToken = read("ELASTIK_APPROVE_TOKEN");
  const key = read("ELASTIK_KEY");
  const trustHeader = read("ELASTIK_TRUST_PROXY_HEADER");
  const host = read("ELASTIK_HOST") ?? "127.0.0.1";
  if (!isLoopbackHost(host) && (token === undefined || approveToken === undefined)) {
    throw new ConfigError(
      `Cannot listen on ${host}: a machine that others can reach needs ELASTIK_TOKEN and ` +
        "ELASTIK_APPROVE_TOKEN; set both, or let ELASTIK_HOST be 127.0.0.1",
    );
  }
  return {
    ...(token === undefined ? {} : { token }),
    ...(approveToken === undefined ? {} : { approveToken }),
    ...(key === undefined ? {} : { key }),
    host,
    port: parseWholeNumber(read, "ELASTIK_PORT", 3005, 65535),
    data: read("ELASTIK_DATA") ?? "data",
    ...tls(read),
    ...(trustHeader === undefined ? {} : { trustHeader }),
    trustFrom: list(read("ELASTIK_TRUST_PROXY_FROM")),
    allowedHosts: list(read("ELASTIK_HOSTS")),
    maxBodyBytes: parseWholeNumber(read, "ELASTIK_MAX_BODY", MAX_BODY_BYTES),
    maxWorldBytes: parseWholeNumber(read, "ELASTIK_MAX_WORLD", MAX_WORLD_BYTES),
    history: history(read("ELASTIK_HISTORY")),
    cacheBytes: parseWholeNumber(read, "ELASTIK_CACHE", CACHE_BYTES),
    sync: oneOf(read, "ELASTIK_SYNC", ["full", "normal"]),
    writers: Math.max(1, parseWholeNumber(read, "ELASTIK_WRITERS", 2, 64)),
    accessLogFormat: oneOf(read, "ELASTIK_LOG", ["off", "line", "json"]),
    cellLimits: cells(read),
  };
}

/** Whether an address to listen on can be reached from this machine alone. */
export function isLoopbackHost(host: string): boolean {
  const ip = parseIp(host);
  return host === "localhost" || (ip !== undefined && isLoopback(ip));
}

async function readEnvFile(path: string): Promise<Record<string, string | undefined>> {
  let text: string;
  try {
    text = Deno.readTextFileSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotCapable) return {};
    throw error;
  }
  // Loaded only here: the module costs megabytes and milliseconds, and most machines have no such file.
  const { parseEnv } = await import("node:util");
  return parseEnv(text);
}

type Read = (name: SettingName) => string | undefined;

function parseWholeNumber(
  read: Read,
  name: SettingName,
  otherwise: number,
  most = Number.MAX_SAFE_INTEGER,
): number {
  const text = read(name);
  if (text === undefined) return otherwise;
  const value = Number(text);
  if (/^\d+$/.test(text) && value <= most) return value;
  throw new ConfigError(
    `Cannot use ${name}="${text}": a whole number is needed${
      most === Number.MAX_SAFE_INTEGER ? "" : ` of at most ${most}`
    }`,
  );
}

function cells(read: Read): CellLimits {
  const {
    heapMiB,
    residentMiB,
    startTimeoutMs: startTimeoutMs,
    responseTimeoutMs: responseTimeoutMs,
    heartbeatTimeoutMs: heartbeatTimeoutMs,
    maxRequests: requests,
  } = CELL_LIMITS;
  const {
    maxWaiting: waiting,
    maxDepth: depth,
    maxLogLinesPerSecond: maxLogLinesPerSecond,
    idleMs,
    maxCrashes: crashes,
  } = CELL_LIMITS;
  return {
    ...CELL_LIMITS,
    heapMiB: parseWholeNumber(read, "ELASTIK_CELL_HEAP", heapMiB),
    residentMiB: parseWholeNumber(read, "ELASTIK_CELL_MEMORY", residentMiB),
    startTimeoutMs: parseWholeNumber(read, "ELASTIK_CELL_START", startTimeoutMs),
    responseTimeoutMs: parseWholeNumber(read, "ELASTIK_CELL_ANSWER", responseTimeoutMs),
    heartbeatTimeoutMs: parseWholeNumber(read, "ELASTIK_CELL_BEAT", heartbeatTimeoutMs),
    maxRequests: Math.max(1, parseWholeNumber(read, "ELASTIK_CELL_REQUESTS", requests)),
    maxWaiting: parseWholeNumber(read, "ELASTIK_CELL_WAITING", waiting),
    maxDepth: parseWholeNumber(read, "ELASTIK_CELL_DEPTH", depth),
    maxLogLinesPerSecond: parseWholeNumber(read, "ELASTIK_CELL_LOG", maxLogLinesPerSecond),
    idleMs: parseWholeNumber(read, "ELASTIK_CELL_IDLE", idleMs),
    maxCrashes: Math.max(1, parseWholeNumber(read, "ELASTIK_CELL_CRASHES", crashes)),
  };
}

/** A certificate is of no use without its key, and the other way round. */
function tls(read: Read): { tls?: { cert: string; key: string } } {
  const cert = read("ELASTIK_TLS_CERT");
  const key = read("ELASTIK_TLS_KEY");
  if (cert !== undefined && key !== undefined) return { tls: { cert, key } };
  if (cert === undefined && key === undefined) return {};
  const [set, unset] = cert === undefined ? ["KEY", "CERT"] : ["CERT", "KEY"];
  throw new ConfigError(
    `Cannot use ELASTIK_TLS_${set} alone: set ELASTIK_TLS_${unset} as well, or neither`,
  );
}

function oneOf<const T extends string>(
  read: Read,
  name: SettingName,
  words: readonly [T, ...T[]],
): T {
  const text = read(name);
  if (text === undefined) return words[0];
  const found = words.find((word) => word === text.toLowerCase());
  if (found !== undefined) return found;
  throw new ConfigError(`Cannot use ${name}="${text}": ${words.join(" or ")} is needed`);
}

function list(text: string | undefined): string[] {
  return (text ?? "").split(",").map((word) => word.trim()).filter((word) => word !== "");
}

function history(text: string | undefined): { versions: number; bytes: number } {
  if (text === undefined) return { versions: HISTORY_VERSIONS, bytes: HISTORY_BYTES };
  const found = /^(\d{1,9})(?::(\d{1,15}))?$/.exec(text);
  if (found === null) {
    throw new ConfigError(
      `Cannot use ELASTIK_HISTORY="${text}": a number of versions is needed, or versions:bytes`,
    );
  }
  return { versions: Number(found[1]), bytes: found[2] ? Number(found[2]) : HISTORY_BYTES };
}
