/**
 * Every limit of the server, by name and unit. `config.ts` takes the defaults of the settings from
 * here; all other limits are fixed. This module contains constants only.
 */

const KIB = 1024;
const MIB = 1024 * KIB;

// requests

/** Longest request target (path and query) in its percent-encoded form; a longer one gets 414. */
export const MAX_URL_BYTES = 8192;
/** Default of `ELASTIK_MAX_BODY`: longest request body; a longer one gets 413. */
export const MAX_BODY_BYTES = 5 * MIB;
/** Longest Accept header that is negotiated; a longer one is treated as absent. */
export const MAX_ACCEPT_CHARS = 2048;
/** Accept headers whose result one chooser caches. */
export const ACCEPT_CACHE_ENTRIES = 256;
/** Longest Accept header whose result is cached. */
export const MAX_CACHED_ACCEPT_CHARS = 512;
/** Entity tags in one If-Match or If-None-Match header. */
export const MAX_ENTITY_TAGS = 64;
/** Longest If-Match or If-None-Match header. */
export const MAX_ENTITY_TAGS_CHARS = 8 * KIB;
/** HTTP dates whose time is cached. */
export const HTTP_DATE_CACHE_ENTRIES = 256;
/** Longest unread request body that is drained before a response over HTTP/2. */
export const MAX_DRAINED_BODY_BYTES = 64 * KIB;
/** Longest time for draining a request body. */
export const DRAIN_BODY_TIMEOUT_MS = 1_000;
/** A shutdown waits this long for open requests. */
export const SHUTDOWN_TIMEOUT_MS = 10_000;

// connections and bodies in flight

/**
 * Limits of the network edge: connections, and bodies that are received or sent. Times are in
 * milliseconds.
 */
export interface EdgeLimits {
  /**
   * Open connections (`ELASTIK_MAX_CONNECTIONS`); 0 derives the number from the file descriptors of
   * the process. Beyond it, idle connections are closed; if there are none, 503.
   */
  readonly maxConnections: number;
  /**
   * Open connections of one client address (`ELASTIK_MAX_CLIENT_CONNECTIONS`); 0 means half of
   * `maxConnections`. Loopback addresses and trusted proxies have no such limit.
   */
  readonly maxClientConnections: number;
  /** Time for the first request head of a connection, with its TLS handshake (`ELASTIK_HEAD_TIMEOUT`). */
  readonly headTimeoutMs: number;
  /** Time without a request on a connection that has answered one (`ELASTIK_IDLE_TIMEOUT`). */
  readonly idleTimeoutMs: number;
  /** Time between two parts of a request body (`ELASTIK_BODY_TIMEOUT`); then 408. */
  readonly bodyTimeoutMs: number;
  /**
   * Lowest average rate of a body in bytes per second (`ELASTIK_MIN_RATE`), measured after
   * `bodyTimeoutMs`, or `idleTimeoutMs` for a response.
   */
  readonly minBytesPerSecond: number;
  /** Bytes of all request bodies that are in memory (`ELASTIK_BODY_MEMORY`); beyond it 503. */
  readonly maxBodyBytesInFlight: number;
  /** Bytes of all large responses that are in memory (`ELASTIK_RESPONSE_MEMORY`); beyond it 503. */
  readonly maxResponseBytesInFlight: number;
}
/** Defaults of {@link EdgeLimits}. */
export const EDGE_LIMITS: EdgeLimits = {
  maxConnections: 0,
  maxClientConnections: 0,
  headTimeoutMs: 30_000,
  idleTimeoutMs: 75_000,
  bodyTimeoutMs: 30_000,
  minBytesPerSecond: 8 * KIB,
  maxBodyBytesInFlight: 128 * MIB,
  maxResponseBytesInFlight: 512 * MIB,
};
/** Highest number of connections that is derived from the file descriptors. */
export const MAX_DERIVED_CONNECTIONS = 10_000;
/** File descriptors that are assumed if the limit of the process cannot be read. */
export const DEFAULT_DESCRIPTORS = 1024;
/** File descriptors for the runtime, plugin processes and files other than worlds. */
export const RESERVED_DESCRIPTORS = 192;
/** File descriptors of one open world: database, write-ahead log and its index. */
export const DESCRIPTORS_PER_WORLD = 3;
/** Connections above the limit that are answered with 503 at the same time; further ones wait. */
export const MAX_REFUSED_CONNECTIONS = 32;
/** A connection above the limit is closed after this time at the latest. */
export const REFUSED_CONNECTION_MS = 5_000;
/**
 * A connection whose request was given up is closed this long after the response. A shutdown waits
 * as long for the connections that it has closed.
 */
export const CLOSE_DELAY_MS = 1_000;
/** Above the limit, a connection without a request for this long is closed for a new one. */
export const EVICTABLE_AFTER_MS = 1_000;
/** The same for a connection that has sent no complete request head. */
export const EVICTABLE_WITHOUT_REQUEST_MS = 200;
/** Above the limit, the next search for such a connection is this much later. */
export const EVICTION_PAUSE_MS = 100;
/** Longest interval between two checks of the timeouts of connections and bodies. */
export const EDGE_CHECK_MS = 1_000;
/** Pause after an accept error; doubled after each further one in a row. */
export const ACCEPT_PAUSE_MS = 50;
/** Longest of these pauses. */
export const MAX_ACCEPT_PAUSE_MS = 1_000;
/** A longer response is watched until it was sent; a shorter one fits into buffers of the system. */
export const WATCHED_RESPONSE_BYTES = 64 * KIB;
/** Length of the parts in which a response is sent that is longer than {@link MAX_CACHE_ENTRY_BYTES}. */
export const RESPONSE_PART_BYTES = 256 * KIB;
/** A response whose client has not read for this long is given up if another needs its memory. */
export const STALLED_RESPONSE_MS = 5_000;
/** A longer request body is received piece by piece; a shorter one is counted in full at once. */
export const PIECEWISE_BODY_BYTES = 64 * KIB;
/** Longest piece in which a request body is received. */
export const BODY_PIECE_BYTES = 64 * KIB;
/** After pieces of one body were read for this long, other requests have a turn, in milliseconds. */
export const BODY_TURN_MS = 2;
/** Shortest block in which the pieces of a body of unknown length are collected. */
export const MIN_BODY_BLOCK_BYTES = 1 * KIB;
/** Interval of the measurement of the event loop delay. */
export const EVENT_LOOP_CHECK_MS = 250;

// credentials

/** Longest Authorization header that is parsed; a longer one is rejected. */
export const MAX_AUTHORIZATION_CHARS = 8192;
/** Longest capability token. */
export const MAX_CAPABILITY_CHARS = 4096;
/** Lines of one capability token. */
export const MAX_CAPABILITY_LINES = 16;
/** Default lifetime of a capability. */
export const CAPABILITY_TTL_SECONDS = 3600;
/** Longest lifetime of a capability. */
export const MAX_CAPABILITY_TTL_SECONDS = 365 * 24 * 3600;
/** Verified capabilities that are cached; a repeated one costs one hash instead of its HMACs. */
export const CAPABILITY_CACHE_ENTRIES = 1024;
/** Longest user name in `/etc/passwd`. */
export const MAX_USER_NAME_CHARS = 64;

// worlds

/** Longest folder name of a world on disk; the limit of common file systems. */
export const MAX_FOLDER_BYTES = 255;
/** Default of `ELASTIK_MAX_WORLD`: longest world after an append; a longer one gets 413. */
export const MAX_WORLD_BYTES = 64 * MIB;
/** Longest value of one `X-Meta-*` header. */
export const MAX_META_VALUE_BYTES = 1 * KIB;
/** All `X-Meta-*` names and values of one world together. */
export const MAX_META_TOTAL_BYTES = 8 * KIB;
/** Longest file extension of a world. */
export const MAX_EXT_CHARS = 16;
/** Default of `ELASTIK_HISTORY`, first field: earlier versions that are kept of a world. */
export const HISTORY_VERSIONS = 100;
/**
 * Default of `ELASTIK_HISTORY`, second field: bytes of earlier versions that are kept of a world.
 */
export const HISTORY_BYTES = 32 * MIB;
/** Default of `ELASTIK_CACHE`: memory for cached worlds. */
export const CACHE_BYTES = 64 * MIB;
/** A longer world is never cached; each read of it goes to disk. */
export const MAX_CACHE_ENTRY_BYTES = 8 * MIB;
/** Default page size of `/proc/log`. */
export const LOG_PAGE_EVENTS = 50;
/** Largest page of `/proc/log`. */
export const MAX_LOG_PAGE_EVENTS = 1000;
/** Listings that are cached until the next change. */
export const LISTING_CACHE_ENTRIES = 4;
/** Longest listing that is cached; a longer one is kept only while clients read it. */
export const MAX_CACHED_LISTING_BYTES = 2 * MIB;
/** A longer listing is sent in pieces that all clients share. */
export const MAX_UNSPLIT_LISTING_BYTES = 64 * KIB;

// files of worlds and the Workers of the store

/** Open SQLite handles of one store Worker; beyond it the least recently used is closed. */
export const MAX_OPEN_WORLDS_PER_WORKER = 96;
/**
 * Default of `ELASTIK_LOCK_WAIT`: how long a request waits for a world that another process has
 * locked, in milliseconds; then 503.
 */
export const LOCK_WAIT_MS = 5_000;
/** First pause before a locked world is tried again, in milliseconds; each next one is doubled. */
export const LOCK_RETRY_MS = 2;
/** Longest pause between two attempts. */
export const MAX_LOCK_RETRY_MS = 100;
/** How long commands wait for a lock that another process holds on a world, in milliseconds. */
export const SQLITE_BUSY_MS = 5_000;
/** Pause before worlds that were locked at the start are read for the catalog again. */
export const LOCKED_INDEX_RETRY_MS = 500;
/**
 * How long a writer waits for the other writer in the ledger of names, in milliseconds. Beyond it
 * another process has locked the ledger, and the job is tried again as for a locked world.
 */
export const LEDGER_BUSY_MS = 250;
/** Worlds whose chains are checked at the start, to report that another key signed them. */
export const KEY_SAMPLE_WORLDS = 16;
/** Time between the first change and the save, in milliseconds. */
export const CATALOG_SAVE_DELAY_MS = 500;
/** Maximum number of batches that a Worker has: one that it runs and one that waits in its port. */
export const MAX_WORKER_BATCHES = 2;
/** Log size in bytes from which a world is checkpointed; varies by name up to twice this size. */
export const CHECKPOINT_BYTES = MIB;

/** Interval of the check whether the data folder is still the locked one, in milliseconds. */
export const FOLDER_CHECK_MS = 1_000;
/** Time between the loss of the data folder and the stop, in which clients get 503. */
export const STORE_FAILURE_DELAY_MS = 1_000;

// event streams

/** Interval between heartbeat comments on an idle event stream. */
export const HEARTBEAT_SECONDS = 15;
/** Default of `ELASTIK_STREAMS`: open event streams; beyond it 503. */
export const MAX_STREAMS = 10_000;
/** Default of `ELASTIK_STREAMS_PER_CLIENT`: open event streams of one client; beyond it 429. */
export const MAX_STREAMS_PER_CLIENT = 1_000;
/** `Retry-After` of a refused stream. */
export const STREAM_RETRY_SECONDS = 10;
/**
 * Default of `ELASTIK_STREAM_LAG`: bytes that the reader of an event stream may lag behind before it
 * is disconnected.
 */
export const MAX_STREAM_LAG_BYTES = 8 * MIB;
/**
 * Default of `ELASTIK_STREAM_BUFFER`: bytes of all events that wait for slow readers, each event
 * counted once; beyond it the slowest readers are disconnected.
 */
export const MAX_STREAM_BUFFER_BYTES = 256 * MIB;
/** Longest part of an event that is passed to a connection at a time. */
export const STREAM_PIECE_BYTES = 16 * KIB;
/** Longest content of a changed world that waits in the queue of a stream; a longer one is read again. */
export const MAX_QUEUED_CHANGE_BYTES = 64 * KIB;
/** Longest time until a stream ends after the credential that opened it has expired. */
export const STREAM_EXPIRY_CHECK_MS = 1_000;
/** Changes that are kept for `Last-Event-ID` of collection streams. */
export const MAX_STREAM_REPLAY_CHANGES = 1024;
/** Missed versions that the stream of a world replays from its history. */
export const MAX_STREAM_REPLAY_VERSIONS = 100;

// the logs

/** Default of `ELASTIK_LOG_RATE`: log lines of one kind per second that clients can cause. */
export const CLIENT_LOG_LINES_PER_SECOND = 10;
/** Text of a log that can wait to be written; beyond it lines are dropped and counted. */
export const MAX_LOG_BUFFER_CHARS = 4 * MIB;
/** Lines of the access log are collected for this long before they are written. */
export const LOG_FLUSH_INTERVAL_MS = 50;
/** A shutdown waits this long for the reader of a log. */
export const LOG_CLOSE_TIMEOUT_MS = 1_000;

// long jobs: audits and copies of worlds

/** Default of `ELASTIK_LONG_JOBS`: audits and copies that run at the same time. */
export const LONG_JOBS = 4;
/** Default of `ELASTIK_LONG_JOBS_WAITING`: audits and copies that can wait; beyond it 503. */
export const LONG_JOBS_WAITING = 64;
/** Default of `ELASTIK_LONG_JOBS_CLIENT`: waiting audits and copies of one client; beyond it 503. */
export const LONG_JOBS_WAITING_PER_CLIENT = 16;
/** Results of audits that are kept until the file of their world changes. */
export const AUDIT_RESULT_CACHE_ENTRIES = 1024;

/**
 * Longest body that the reader for short reads returns. Reading 1 MiB from disk takes about 5 ms (2
 * cores, Deno 2.9.6); longer bodies are read by the Worker for long jobs.
 */
export const MAX_SHORT_READ_BYTES = 1 * MIB;
/** Long bodies that are read from disk at the same time; one client reads at most one less. */
export const LONG_READS = 3;
/** Reads of long bodies that can wait; beyond it 503. */
export const LONG_READS_WAITING = 1024;
/** Waiting reads of long bodies of one client; beyond it 503. */
export const LONG_READS_WAITING_PER_CLIENT = 256;

// snapshots

/** The snapshot of a longer file is written to a temporary file instead of memory. */
export const MAX_IN_MEMORY_SNAPSHOT_BYTES = 1 * MIB;
/** Concurrent temporary snapshot files; beyond it 503. */
export const MAX_SNAPSHOT_FILES = 16;
/**
 * Concurrent temporary snapshot files that one client reads; beyond it 503. The `reality` plugin reads
 * up to 6 for each archive, so a client can receive two archives at the same time.
 */
export const MAX_SNAPSHOT_FILES_PER_CLIENT = 12;
/** A snapshot whose client does not read for this long is ended, in milliseconds. */
export const SNAPSHOT_STALL_MS = 60_000;
/** Longest request body with a key for a signed snapshot. */
export const MAX_KEY_BODY_BYTES = 128;

// plugins

/** Longest plugin source. */
export const MAX_PLUGIN_BYTES = 1 * MIB;
/**
 * Longest source that is parsed on the server's own thread, about 20 ms; a longer one in a Worker.
 */
export const MAX_INLINE_IMPORT_CHECK_CHARS = 64 * KIB;
/** Longest manifest as JSON, in characters. */
export const MAX_MANIFEST_CHARS = 64 * KIB;
/** Entries of one list in the manifest of a plugin. */
export const MAX_MANIFEST_ENTRIES = 64;
/** Longest string in the manifest of a plugin. */
export const MAX_MANIFEST_STRING_CHARS = 1024;
/** Longest `patience` in a manifest. */
export const MAX_PATIENCE_SECONDS = 900;
/** Longest body of a request that sets the state of a plugin. */
export const MAX_STATE_BODY_BYTES = 1024;
/** Shortest time between two events of one kind for one plugin, in milliseconds. */
export const PLUGIN_EVENT_INTERVAL_MS = 10_000;
/** How long requests for a path without a route wait for plugins that still start, in milliseconds. */
export const PLUGIN_START_WAIT_MS = 5_000;
/** Worlds below /etc, /usr and /var of which the server remembers who changed them last. */
export const MAX_CONFIG_ORIGINS = 4_096;
/** Evaluated sources of which the server remembers what they requested. */
export const MAX_KNOWN_REQUESTS = 256;
/** Replaced runs of one cell that finish their requests at the same time; older ones are ended. */
export const MAX_DRAINING_RUNS = 4;
/** A path that the fallback declined is not passed to it again for this long. */
export const FALLBACK_DECLINE_MS = 1_000;
/** Declined paths that are cached. */
export const FALLBACK_DECLINE_CACHE_ENTRIES = 1024;
/** Bytes that are read at a time from a file in a plugin's response. */
export const FILE_CHUNK_BYTES = 256 * KIB;
/** A plugin is called this often if its file changes before it can be sent. */
export const MAX_FILE_ATTEMPTS = 10;

// cells

/** Longest frame between server and cell; a longer one ends the cell. */
export const MAX_CELL_FRAME_BYTES = 256 * KIB;
/** Longest head (method, URL, headers) of a message between server and cell. */
export const MAX_CELL_HEAD_BYTES = 128 * KIB;
/** Longest part of a body in one frame, and longest body that is sent together with its head. */
export const CELL_CHUNK_BYTES = 64 * KIB;
/** Flow-control window: bytes of one body that can be sent before its reader takes any. */
export const CELL_WINDOW_BYTES = 256 * KIB;
/**
 * Longest INIT frame in bytes: the plugin's source as a JSON string, the config and the bootstrap.
 */
export const MAX_CELL_INIT_BYTES = 64 * MIB;
/**
 * Limits of one cell. Beyond a limit, requests are refused or the cell is ended. Times are in
 * milliseconds.
 */
export interface CellLimits {
  /** V8 heap in MiB (`ELASTIK_CELL_HEAP`); beyond it the process of the cell aborts. */
  readonly heapMiB: number;
  /** Resident memory of the whole cell process in MiB (`ELASTIK_CELL_MEMORY`). */
  readonly residentMiB: number;
  /** From process start to ready, and from probe to manifest (`ELASTIK_CELL_START`). */
  readonly startTimeoutMs: number;
  /**
   * From request to response head (`ELASTIK_CELL_ANSWER`); starts again when the plugin takes a
   * part of the body.
   */
  readonly responseTimeoutMs: number;
  /** Interval between heartbeats. */
  readonly heartbeatMs: number;
  /** A heartbeat that is unanswered for this long means a busy loop (`ELASTIK_CELL_BEAT`). */
  readonly heartbeatTimeoutMs: number;
  /** Concurrent requests in the plugin (`ELASTIK_CELL_REQUESTS`). */
  readonly maxRequests: number;
  /** Requests that wait until fewer are in the plugin; beyond it 503 (`ELASTIK_CELL_WAITING`). */
  readonly maxWaiting: number;
  /** Concurrent calls of `env.caller` and `env.machine`; further calls wait inside the cell. */
  readonly maxCalls: number;
  /** Longest chain of plugins that call plugins (`ELASTIK_CELL_DEPTH`). */
  readonly maxDepth: number;
  /** Console lines per second (`ELASTIK_CELL_LOG`); further lines are counted and dropped. */
  readonly maxLogLinesPerSecond: number;
  /**
   * A response whose reader takes nothing for this long, although bytes wait, is given up
   * (`ELASTIK_IDLE_TIMEOUT`).
   */
  readonly unreadTimeoutMs: number;
  /** Work passed to `ctx.waitUntil` may run this long after the response. */
  readonly waitUntilTimeoutMs: number;
  /**
   * Without a request for this long the process is stopped (`ELASTIK_CELL_IDLE`); 0 means never.
   */
  readonly idleMs: number;
  /** A replaced or stopped cell may take this long to finish its requests. */
  readonly drainTimeoutMs: number;
  /** Pause after the second crash in a row; doubled after each further one. */
  readonly backoffMs: number;
  /** Longest of these pauses; also how long an open circuit stays open. */
  readonly maxBackoffMs: number;
  /** Crashes in a row that open the circuit (`ELASTIK_CELL_CRASHES`). */
  readonly maxCrashes: number;
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
  maxWaiting: 256,
  maxCalls: 32,
  maxDepth: 8,
  maxLogLinesPerSecond: 50,
  unreadTimeoutMs: EDGE_LIMITS.idleTimeoutMs,
  waitUntilTimeoutMs: 30_000,
  idleMs: 300_000,
  drainTimeoutMs: 30_000,
  backoffMs: 250,
  maxBackoffMs: 60_000,
  maxCrashes: 6,
};
/**
 * Delay in milliseconds before `request.signal` is read, because Deno creates the signal on access.
 */
export const DISCONNECT_SIGNAL_DELAY_MS = 50;
/** Interval of the check whether a draining run is idle, in milliseconds. */
export const CELL_DRAIN_CHECK_MS = 20;
/** Interval of the memory check, in milliseconds. */
export const CELL_MEMORY_CHECK_MS = 100;
/** Frames without effect per second. Late frames of cancelled calls are normal; a flood is not. */
export const MAX_IGNORED_FRAMES_PER_SECOND = 100_000;
/** Response timeouts in a row, without a response in between, after which the run is ended. */
export const MAX_CELL_TIMEOUTS_IN_A_ROW = 4;

// database queries of plugins

/** Concurrent database queries of one plugin, each in its own process; further queries wait. */
export const MAX_QUERY_PROCESSES = 4;
/** A query process waits this long for the next query before it stops. */
export const QUERY_IDLE_MS = 30_000;
/** Default of {@link SqlOptions.timeoutMs}. */
export const QUERY_TIMEOUT_MS = 2000;
/** Longest time limit that a plugin may set for one query. */
export const MAX_QUERY_MS = 60_000;
/** Resident memory of a query process, unless that of a cell is lower. */
export const QUERY_RESIDENT_MIB = 384;
/** Largest database that is read into memory for a query. */
export const MAX_QUERY_IMAGE_BYTES = 64 * MIB;
/** Bytes of all values in the result of one query. */
export const MAX_QUERY_BYTES = 16 * MIB;
/** Rows in the result of one query. */
export const MAX_QUERY_ROWS = 100_000;

// WebDAV

/** Longest XML body of a WebDAV request; a longer one gets 413. */
export const MAX_DAV_XML_BYTES = 128 * KIB;
/** Deepest nesting of elements in such a body; a deeper one gets 400. */
export const MAX_DAV_XML_DEPTH = 64;
/** Resources that one PROPFIND, COPY or MOVE with `Depth: infinity` can include. */
export const MAX_DAV_MEMBERS = 10_000;
/** Maximum number of properties that one PROPFIND can name. */
export const MAX_PROPFIND_NAMES = 256;
/**
 * Bytes that the property names of a PROPFIND would need in the response if every resource lacked
 * them.
 */
export const MAX_DAV_NAMES_BYTES = 64 * MIB;
/** Resources that a multistatus response formats between two writes. */
export const DAV_BATCH_RESOURCES = 64;
/** Bytes of all dead properties of one resource. */
export const MAX_DEAD_PROPERTIES_BYTES = 64 * KIB;
/** Dead properties of one resource. */
export const MAX_DEAD_PROPERTIES = 256;
/** Characters of all changes of one PROPPATCH, each with its namespace. */
export const MAX_PROPERTY_CHANGE_CHARS = 4 * MIB;
/** Default lifetime of a lock. */
export const DAV_LOCK_SECONDS = 600;
/** Longest lifetime of a lock. */
export const MAX_DAV_LOCK_SECONDS = 3600;
/** Locks of the whole server. */
export const MAX_DAV_LOCKS = 10_000;
/**
 * Locks of one credential. Callers without a credential and all tokens derived from one capability
 * count as one. T3 has as many in reserve among the locks of the server.
 */
export const MAX_LOCKS_PER_CREDENTIAL = 1000;
/** Shortest time between two removals of the locks that have ended. */
export const LOCK_PURGE_MS = 1000;
/** Shared locks of one resource. */
export const MAX_SHARED_LOCKS = 64;
/** Longest owner of a lock, as XML. */
export const MAX_LOCK_OWNER_CHARS = 4096;
/** Longest If header. */
export const MAX_IF_CHARS = 8 * KIB;
/** Conditions in one If header. */
export const MAX_IF_CONDITIONS = 128;
/** Worlds whose creation info is cached. */
export const MAX_CREATION_INFO_ENTRIES = 16_384;
/** The free space of the disk is read again after this time. */
export const QUOTA_CACHE_MS = 5_000;
/** Longest listing of a mounted folder that WebDAV reads. */
export const MAX_MOUNT_LISTING_CHARS = 16 * MIB;

// archives of data folders

/** Entries of an imported archive. */
export const MAX_ARCHIVE_ENTRIES = 1_000_000;
/** Largest file of an imported archive; a world is held in memory while it is checked. */
export const MAX_ARCHIVE_FILE_BYTES = 512 * MIB;
/** All files of an imported archive together, unpacked. */
export const MAX_ARCHIVE_BYTES = 64 * 1024 * MIB;
/** Bytes between two files of an imported archive, such as long names. */
export const MAX_ARCHIVE_GAP_BYTES = 4 * MIB;
