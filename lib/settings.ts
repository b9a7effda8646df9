/**
 * The names of all settings, with their meanings and defaults, and which of them `/boot/env` shows.
 * `config.ts` reads and validates them. This module contains constants only.
 */

/**
 * Every environment variable that the core reads, with its meaning. `/boot/env` and the manual list
 * them.
 */
export const SETTINGS = {
  ELASTIK_TOKEN: "T2 token; if unset, loopback callers have T2",
  ELASTIK_APPROVE_TOKEN: "T3 token; if unset, one is generated and stored in the data folder",
  ELASTIK_KEY: "signing key of events and capabilities; if unset, one is generated and stored",
  ELASTIK_HOST: "address to listen on, 127.0.0.1",
  ELASTIK_PORT: "port to listen on, 3005",
  ELASTIK_DATA: "data folder, data",
  ELASTIK_TLS_CERT: "PEM file of the certificate chain, for https",
  ELASTIK_TLS_KEY: "PEM file of its private key",
  ELASTIK_TRUST_PROXY_HEADER: "header in which a trusted proxy sends the client's address",
  ELASTIK_TRUST_PROXY_FROM: "addresses or CIDR ranges of trusted proxies, comma separated",
  ELASTIK_HOSTS: "additional Host names accepted from loopback clients, comma separated",
  ELASTIK_MAX_BODY: "largest request body in bytes, 5242880",
  ELASTIK_MAX_LOCKS: "most WebDAV locks of one credential, 1000",
  ELASTIK_MAX_WORLD: "largest world after an append in bytes, 67108864",
  ELASTIK_HISTORY: "earlier versions kept of a world, 100 (or versions:bytes; 0 keeps none)",
  ELASTIK_CACHE: "memory for cached worlds in bytes, 67108864",
  ELASTIK_SYNC:
    "full (every confirmed write is on disk) or normal (a power loss may lose the last writes)",
  ELASTIK_WRITERS: "writer threads, 2",
  ELASTIK_LOCK_WAIT:
    "milliseconds a request waits for a world that another process has locked, 5000",
  ELASTIK_LONG_JOBS: "audits and copies of worlds that run at the same time, 4",
  ELASTIK_LONG_JOBS_WAITING: "audits and copies that can wait, 64; beyond it 503",
  ELASTIK_LONG_JOBS_CLIENT: "waiting audits and copies of one client, 16; beyond it 503",
  ELASTIK_LOG: "access log on the standard output: off, line or json",
  ELASTIK_STREAMS: "open event streams, 10000",
  ELASTIK_STREAMS_PER_CLIENT: "open event streams of one client, 1000",
  ELASTIK_STREAM_LAG: "bytes that wait for one reader of an event stream, 8388608",
  ELASTIK_STREAM_BUFFER: "bytes of all events that wait for slow readers, 268435456",
  ELASTIK_LOG_RATE: "log lines of one kind per second that clients can cause, 10 (0: no limit)",
  ELASTIK_MAX_CONNECTIONS: "open connections; 0, the default, derives it from the file descriptors",
  ELASTIK_MAX_CLIENT_CONNECTIONS:
    "open connections of one client address that is not loopback; 0, the default: half of all",
  ELASTIK_HEAD_TIMEOUT: "milliseconds until the first request head must be complete, 30000",
  ELASTIK_IDLE_TIMEOUT:
    "milliseconds until a connection without a request, or a response that is not read, is closed, 75000",
  ELASTIK_BODY_TIMEOUT: "milliseconds between two parts of a request body, 30000",
  ELASTIK_MIN_RATE: "lowest average rate of a slow body in bytes per second, 8192",
  ELASTIK_BODY_MEMORY: "bytes of all request bodies in memory, 134217728",
  ELASTIK_RESPONSE_MEMORY: "bytes of all responses over 8 MiB in memory, 536870912",
  ELASTIK_CELL_HEAP: "V8 heap of a plugin in MiB, 128",
  ELASTIK_CELL_MEMORY: "resident memory of a plugin process in MiB, 512",
  ELASTIK_CELL_START: "milliseconds a plugin may take to start, 10000",
  ELASTIK_CELL_ANSWER: "milliseconds until the response of a plugin starts, 30000",
  ELASTIK_CELL_BEAT: "milliseconds until an unanswered heartbeat ends a plugin, 5000",
  ELASTIK_CELL_REQUESTS: "concurrent requests in a plugin, 64",
  ELASTIK_CELL_WAITING: "requests that can wait for a plugin, 256",
  ELASTIK_CELL_DEPTH: "plugins that can wait for each other, 8",
  ELASTIK_CELL_LOG: "console lines of a plugin per second, 50",
  ELASTIK_CELL_IDLE:
    "milliseconds without a request until a plugin process stops, 300000 (0: never)",
  ELASTIK_CELL_CRASHES: "crashes in a row after which a plugin is not restarted for a minute, 6",
} as const;

/** The name of a setting. */
export type SettingName = keyof typeof SETTINGS;

/** Settings whose values `/boot/env` shows. None of them is a secret. */
export const PUBLIC_SETTINGS: readonly SettingName[] = [
  "ELASTIK_HOST",
  "ELASTIK_PORT",
  "ELASTIK_DATA",
  "ELASTIK_MAX_BODY",
  "ELASTIK_MAX_LOCKS",
  "ELASTIK_MAX_WORLD",
  "ELASTIK_HISTORY",
  "ELASTIK_CACHE",
  "ELASTIK_SYNC",
  "ELASTIK_WRITERS",
  "ELASTIK_LOCK_WAIT",
  "ELASTIK_LONG_JOBS",
  "ELASTIK_LONG_JOBS_WAITING",
  "ELASTIK_LONG_JOBS_CLIENT",
  "ELASTIK_LOG",
  "ELASTIK_LOG_RATE",
  "ELASTIK_STREAMS",
  "ELASTIK_STREAMS_PER_CLIENT",
  "ELASTIK_STREAM_LAG",
  "ELASTIK_STREAM_BUFFER",
  "ELASTIK_MAX_CONNECTIONS",
  "ELASTIK_MAX_CLIENT_CONNECTIONS",
  "ELASTIK_HEAD_TIMEOUT",
  "ELASTIK_IDLE_TIMEOUT",
  "ELASTIK_BODY_TIMEOUT",
  "ELASTIK_MIN_RATE",
  "ELASTIK_BODY_MEMORY",
  "ELASTIK_RESPONSE_MEMORY",
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
