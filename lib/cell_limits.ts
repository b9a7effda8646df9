/**
 * The limits of plugin processes, by name and unit; see `limits.ts`, which has all others, for how a
 * limit is described. This module contains constants only.
 */

import { EDGE_LIMITS } from "./limits.ts";

const KIB = 1024;
const MIB = 1024 * KIB;

// Fixed: the protocol between server and cell. A longer body is sent in several frames.

/** Longest frame between server and cell; a longer one ends the cell. */
export const MAX_CELL_FRAME_BYTES = 256 * KIB;
/** Longest head (method, URL, headers) of a message between server and cell. */
export const MAX_CELL_HEAD_BYTES = 128 * KIB;
/** Longest part of a body in one frame, and longest body that is sent together with its head. */
export const CELL_CHUNK_BYTES = 64 * KIB;
/** Length of the blocks in which short parts of a body wait for their reader. */
export const CELL_BLOCK_BYTES = 4 * KIB;
/** Flow-control window: bytes of one body that can be sent before its reader takes any. */
export const CELL_WINDOW_BYTES = 256 * KIB;
/**
 * Longest INIT frame in bytes: the plugin's source as a JSON string, the config and the bootstrap.
 */
export const MAX_CELL_INIT_BYTES = 64 * MIB;

// Fixed: places in the source of a plugin, which only occur in texts. Nothing is refused.

/** Mappings and lines of a source map that are read; later positions name the stored source only. */
export const MAX_SOURCE_MAPPINGS = 250_000;
/** Longest name of a file of a source map in characters; beyond it the stored source is named only. */
export const MAX_SOURCE_NAME_CHARS = 200;
/** Characters of a line that a problem about a source shows; of a longer one the part around the place. */
export const EXCERPT_CHARS = 100;

// Fixed: values of `env.kv`. Their worlds have the limits of all worlds; a plugin refuses earlier.

/** Longest value of `env.kv`: as UTF-8, as JSON, or bytes. */
export const MAX_KV_VALUE_BYTES = MIB;
/** Longest name of the world of a key; see `encodeKvKey`. The folder name has at most 255 bytes. */
export const MAX_KV_NAME_BYTES = 180;
/** Keys of one call of `env.kv.list`. */
export const MAX_KV_LIST_KEYS = 1000;

// Fixed: calls of `scheduled` and `change`. No client makes them; they count as requests of a plugin.

/** Longest time between two looks at the clock, in milliseconds: the clock can be set. */
export const CRON_CHECK_MS = 10_000;
/** A run that is due for longer than this is not started, in milliseconds. */
export const CRON_LATE_MS = 60_000;
/** A clock that is set back further than this starts the schedules again, in milliseconds. */
export const CRON_SET_BACK_MS = 3 * 3_600_000;
/** Milliseconds after which a node tries again to start a plugin that the other nodes run. */
export const PLUGIN_START_RETRY_MS = 60_000;
/**
 * How long the servers of a cluster remember a scheduled time that one of them has run, in seconds: more
 * than their clocks may differ.
 */
export const CRON_CLAIM_SECONDS = 24 * 60 * 60;
/** Shortest time between the starts of two runs of an expression, by a clock that cannot be set. */
export const MIN_CRON_PAUSE_MS = 30_000;
/** Events that are read at a time for the calls of `change`. */
export const CHANGE_PAGE_EVENTS = 64;
/** Calls of `change` with one change that fail, after which it is skipped. */
export const MAX_CHANGE_ATTEMPTS = 8;
/** Pause after the first failure in milliseconds; each further one doubles it. */
export const CHANGE_RETRY_MS = 500;
/** Longest pause after a failure, as a multiple of the first one: one minute. */
export const MAX_CHANGE_RETRY_FACTOR = 120;
/** The position of a plugin is stored this often while changes follow each other, in milliseconds. */
export const CHANGE_SAVE_MS = 1_000;

// Client limits: one cell

/** Limits of the database queries of one plugin. */
export interface QueryLimits {
  /**
   * Concurrent queries (`ELASTIK_QUERIES`), each in its own process; further ones wait, as many as
   * `maxWaiting` of the cell. Metrics: `elastik_plugin_queries_running`,
   * `elastik_plugin_queries_waiting`.
   */
  readonly maxProcesses: number;
  /**
   * Longest time that a plugin may set for one query (`ELASTIK_QUERY_TIME`), in milliseconds. Metric:
   * `elastik_plugin_limits_reached`.
   */
  readonly maxMs: number;
  /**
   * Resident memory of a query process in MiB (`ELASTIK_QUERY_MEMORY`), unless that of a cell is
   * lower. Metric: `elastik_plugin_limits_reached`.
   */
  readonly residentMiB: number;
}
/**
 * Limits of one cell. Beyond a limit, requests are refused or the cell is ended. Times are in
 * milliseconds.
 */
export interface CellLimits {
  /**
   * V8 heap in MiB (`ELASTIK_CELL_HEAP`); beyond it the process of the cell aborts. Metric:
   * `elastik_plugin_crashes`.
   */
  readonly heapMiB: number;
  /**
   * Resident memory of the whole cell process in MiB (`ELASTIK_CELL_MEMORY`). Metrics:
   * `elastik_plugin_resident_memory_bytes`, `elastik_plugin_limits_reached`.
   */
  readonly residentMiB: number;
  /**
   * From process start to ready, and from probe to manifest (`ELASTIK_CELL_START`). Metric:
   * `elastik_plugin_limits_reached`.
   */
  readonly startTimeoutMs: number;
  /**
   * From request to response head (`ELASTIK_CELL_ANSWER`); starts again when the plugin takes a
   * part of the body. Metric: `elastik_plugin_limits_reached`.
   */
  readonly responseTimeoutMs: number;
  /** Interval between heartbeats. Fixed: it decides how soon a busy loop is found. */
  readonly heartbeatMs: number;
  /**
   * A heartbeat that is unanswered for this long means a busy loop (`ELASTIK_CELL_BEAT`). Metric:
   * `elastik_plugin_limits_reached`.
   */
  readonly heartbeatTimeoutMs: number;
  /**
   * Response timeouts in a row, without a response in between, after which the run is ended
   * (`ELASTIK_CELL_TIMEOUTS`). Metric: `elastik_plugin_limits_reached`.
   */
  readonly maxTimeoutsInARow: number;
  /**
   * Concurrent requests in the plugin (`ELASTIK_CELL_REQUESTS`). Metric:
   * `elastik_plugin_requests_open`.
   */
  readonly maxRequests: number;
  /**
   * Requests that wait until fewer are in the plugin; beyond it 503 (`ELASTIK_CELL_WAITING`).
   * Metrics: `elastik_plugin_requests_waiting`, `elastik_plugin_requests_refused`.
   */
  readonly maxWaiting: number;
  /**
   * Concurrent calls of `env.caller` and `env.machine` (`ELASTIK_CELL_CALLS`); further calls wait
   * inside the cell. Metric: `elastik_plugin_calls_open`.
   */
  readonly maxCalls: number;
  /**
   * Longest chain of plugins that call plugins (`ELASTIK_CELL_DEPTH`); beyond it 508. Metric:
   * `elastik_plugin_limits_reached`.
   */
  readonly maxDepth: number;
  /**
   * Console lines per second (`ELASTIK_CELL_LOG`); further lines are counted and dropped. Metric:
   * `elastik_plugin_log_lines_dropped`.
   */
  readonly maxLogLinesPerSecond: number;
  /**
   * Messages without effect per second (`ELASTIK_CELL_MESSAGES`); beyond it the run is ended. Late
   * messages of cancelled calls are normal; a flood is not. Metric: `elastik_plugin_limits_reached`.
   */
  readonly maxIgnoredFramesPerSecond: number;
  /**
   * A response whose reader takes nothing for this long, although bytes wait, is given up: as for a
   * client (`ELASTIK_IDLE_TIMEOUT`). Metric: `elastik_plugin_limits_reached`.
   */
  readonly unreadTimeoutMs: number;
  /**
   * Work passed to `ctx.waitUntil` may run this long after the response (`ELASTIK_CELL_WORK`).
   * Metric: `elastik_plugin_limits_reached`.
   */
  readonly waitUntilTimeoutMs: number;
  /**
   * Without a request for this long the process is stopped (`ELASTIK_CELL_IDLE`); 0 means never.
   * Metric: `elastik_plugin_resident_memory_bytes`.
   */
  readonly idleMs: number;
  /**
   * A replaced or stopped cell may take this long to finish its requests. Fixed: only an operator
   * replaces or stops one.
   */
  readonly drainTimeoutMs: number;
  /** Pause after the second crash in a row; doubled after each further one. Fixed: see `maxCrashes`. */
  readonly backoffMs: number;
  /** Longest of these pauses; also how long an open circuit stays open. Fixed: see `maxCrashes`. */
  readonly maxBackoffMs: number;
  /** Crashes in a row that open the circuit (`ELASTIK_CELL_CRASHES`). Metric: `elastik_plugin_crashes`. */
  readonly maxCrashes: number;
  /** Limits of the database queries of the plugin. Fixed: it has its own settings. */
  readonly queries: QueryLimits;
}
/** Defaults of {@link CellLimits}. */
export const CELL_LIMITS: CellLimits = {
  heapMiB: 128,
  residentMiB: 512,
  startTimeoutMs: 10_000,
  responseTimeoutMs: 30_000,
  heartbeatMs: 1_000,
  heartbeatTimeoutMs: 5_000,
  maxRequests: 64,
  maxTimeoutsInARow: 4,
  maxWaiting: 256,
  maxCalls: 32,
  maxDepth: 8,
  maxLogLinesPerSecond: 50,
  maxIgnoredFramesPerSecond: 100_000,
  unreadTimeoutMs: EDGE_LIMITS.unreadTimeoutMs,
  waitUntilTimeoutMs: 30_000,
  idleMs: 300_000,
  drainTimeoutMs: 30_000,
  backoffMs: 250,
  maxBackoffMs: 60_000,
  maxCrashes: 6,
  queries: { maxProcesses: 4, maxMs: 60_000, residentMiB: 384 },
};

// Fixed: how the limits of cells are enforced.

/**
 * Delay in milliseconds before `request.signal` is read, because Deno creates the signal on access.
 */
export const DISCONNECT_SIGNAL_DELAY_MS = 50;
/** Interval of the check whether a draining run is idle, in milliseconds. */
export const CELL_DRAIN_CHECK_MS = 20;
/**
 * Pause after the system did not create the process of a cell, in milliseconds: a failed attempt is
 * cheap, but each one is in the logs.
 */
export const CELL_SPAWN_RETRY_MS = 1_000;
/** Interval of the memory check, in milliseconds. */
export const CELL_MEMORY_CHECK_MS = 100;

// Fixed: what one query returns is part of the interface of `env.sql`. A plugin sets lower limits.

/** A query process waits this long for the next query before it stops. */
export const QUERY_IDLE_MS = 30_000;
/** Default of {@link SqlOptions.timeoutMs}. */
export const QUERY_TIMEOUT_MS = 2000;
/** Largest database that is read into memory for a query. */
export const MAX_QUERY_IMAGE_BYTES = 64 * MIB;
/** Bytes of all values in the result of one query. */
export const MAX_QUERY_BYTES = 16 * MIB;
/** Rows in the result of one query. */
export const MAX_QUERY_ROWS = 100_000;
