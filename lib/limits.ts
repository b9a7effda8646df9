/**
 * Every limit of the server, by name and unit; those of plugin processes are in `cell_limits.ts`, those
 * of WebDAV in `dav_limits.ts`.
 * This module contains constants only, in two kinds of groups:
 *
 * - "Client limits" are those that a client, or a plugin for it, can reach by what it sends, holds or
 *   leaves unread. Each has a setting, which `config.ts` reads and whose default is here, and a metric
 *   of `/proc/metrics`. Its comment names both; `tests/project/limits_test.ts` checks them.
 * - "Fixed" limits have no setting. The comment of the group says why they need none.
 */

const KIB = 1024;
const MIB = 1024 * KIB;

// Client limits: requests and worlds

/**
 * Longest request body (`ELASTIK_MAX_BODY`); a longer one gets 413. Metric: `elastik_problems` of the
 * type `body-too-large`.
 */
export const MAX_BODY_BYTES = 5 * MIB;
/**
 * Longest world after an append (`ELASTIK_MAX_WORLD`); a longer one gets 413. Metric:
 * `elastik_worlds_too_large`.
 */
export const MAX_WORLD_BYTES = 64 * MIB;
/**
 * Earlier versions that are kept of a world (first field of `ELASTIK_HISTORY`); older ones get 410.
 * Metric: `elastik_problems` of the type `gone`.
 */
export const HISTORY_VERSIONS = 100;
/**
 * Bytes of earlier versions that are kept of a world (second field of `ELASTIK_HISTORY`). Metric:
 * `elastik_problems` of the type `gone`.
 */
export const HISTORY_BYTES = 32 * MIB;
/** Memory for cached worlds (`ELASTIK_CACHE`). Metric: `elastik_cache_bytes`. */
export const CACHE_BYTES = 64 * MIB;
/**
 * How long a request waits for a world that another process has locked (`ELASTIK_LOCK_WAIT`), in
 * milliseconds, all its waits together; then 503. Metric: `elastik_lock_failures`.
 */
export const LOCK_WAIT_MS = 5_000;

// Fixed: syntax of requests. A client can send a shorter request, and a refused one costs little.

/** Longest request target (path and query) in its percent-encoded form; a longer one gets 414. */
export const MAX_URL_BYTES = 8192;
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

// Client limits: connections and bodies in flight

/**
 * Limits of the network edge: connections, and bodies that are received or sent. Times are in
 * milliseconds.
 */
export interface EdgeLimits {
  /**
   * Open connections (`ELASTIK_MAX_CONNECTIONS`); 0 derives the number from the file descriptors of
   * the process. Beyond it, idle connections are closed; if there are none, 503. Metrics:
   * `elastik_connections_open`, `elastik_connections_refused`.
   */
  readonly maxConnections: number;
  /**
   * Open connections of one client address (`ELASTIK_MAX_CLIENT_CONNECTIONS`); 0 means half of
   * `maxConnections`. Loopback addresses and trusted proxies have no such limit. Metric:
   * `elastik_connections_refused`.
   */
  readonly maxClientConnections: number;
  /**
   * Time for the first request head of a connection, with its TLS handshake
   * (`ELASTIK_HEAD_TIMEOUT`). Metric: `elastik_connections_closed`.
   */
  readonly headTimeoutMs: number;
  /**
   * Time without a request on a connection that has answered one (`ELASTIK_IDLE_TIMEOUT`). Metric:
   * `elastik_connections_closed`.
   */
  readonly idleTimeoutMs: number;
  /**
   * Time without progress of a response: `idleTimeoutMs` (`ELASTIK_IDLE_TIMEOUT`), and the time in
   * which a client that reads at `minBytesPerSecond` takes {@link SOCKET_STEP_BYTES}. Metrics:
   * `elastik_connections_closed`, `elastik_snapshots_stalled`.
   */
  readonly unreadTimeoutMs: number;
  /**
   * Time between two parts of a request body (`ELASTIK_BODY_TIMEOUT`); then 408. Metric:
   * `elastik_request_bodies_timed_out`.
   */
  readonly bodyTimeoutMs: number;
  /**
   * Lowest average rate of a body in bytes per second (`ELASTIK_MIN_RATE`), measured after
   * `bodyTimeoutMs`, or `unreadTimeoutMs` for a response. Metrics: `elastik_request_bodies_timed_out`,
   * `elastik_connections_closed`.
   */
  readonly minBytesPerSecond: number;
  /**
   * Bytes that the runtime would copy to remove the chunks that it has read ahead of one body
   * (`ELASTIK_CHUNK_WORK`); beyond it 400. 16 GiB are reached by 900 chunks of one byte, 4,000 of 80
   * bytes, or 150 MB in chunks of 8 KiB, if they arrive faster than they are read. Metric:
   * `elastik_request_bodies_short_chunks`.
   */
  readonly maxChunkWork: number;
  /**
   * Bytes of all request bodies that are in memory (`ELASTIK_BODY_MEMORY`); beyond it 503. Metrics:
   * `elastik_request_body_bytes`, `elastik_request_bodies_refused`.
   */
  readonly maxBodyBytesInFlight: number;
  /**
   * Bytes of all large responses that are in memory (`ELASTIK_RESPONSE_MEMORY`); beyond it 503.
   * Metrics: `elastik_response_body_bytes`, `elastik_responses_refused`.
   */
  readonly maxResponseBytesInFlight: number;
}
/** Defaults of {@link EdgeLimits}. */
export const EDGE_LIMITS: EdgeLimits = {
  maxConnections: 0,
  maxClientConnections: 0,
  headTimeoutMs: 30_000,
  idleTimeoutMs: 75_000,
  unreadTimeoutMs: 267_000,
  bodyTimeoutMs: 30_000,
  minBytesPerSecond: 8 * KIB,
  maxChunkWork: 16_384 * MIB,
  maxBodyBytesInFlight: 128 * MIB,
  maxResponseBytesInFlight: 512 * MIB,
};

// Fixed: how the limits of connections and bodies are enforced.

/** Longest unread request body that is drained before a response over HTTP/2. */
export const MAX_DRAINED_BODY_BYTES = 64 * KIB;
/** Longest time for draining a request body. */
export const DRAIN_BODY_TIMEOUT_MS = 1_000;
/** A shutdown waits this long for open requests. */
export const SHUTDOWN_TIMEOUT_MS = 10_000;
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
/**
 * A longer response is sent in parts, so that the server notices whether the client reads. Parts
 * would make a shorter one slower.
 */
export const UNDIVIDED_RESPONSE_BYTES = 512 * KIB;
/** Length of these parts. */
export const RESPONSE_PART_BYTES = 256 * KIB;
/**
 * The system takes the next bytes of a response when the client has read a third of what it buffers:
 * 1.4 MB of up to 4 MiB (Linux 6).
 */
export const SOCKET_STEP_BYTES = 1.5 * MIB;
/** A response whose client has not read for this long is given up if another needs its memory. */
export const STALLED_RESPONSE_MS = 5_000;
/** A longer request body is received piece by piece; a shorter one is counted in full at once. */
export const PIECEWISE_BODY_BYTES = 64 * KIB;
/** Longest piece in which a request body is received. */
export const BODY_PIECE_BYTES = 64 * KIB;
/** Longest piece of a chunked body. Deno reads as many bytes ahead for each piece (2.9.6). */
export const CHUNK_READ_BYTES = 8 * KIB;
/** The same for the first pieces of a body, which can be short chunks. */
export const FIRST_READ_BYTES = 512;
/**
 * Bytes that the runtime may copy to skip the rest of a chunked body, about 5 ms. If it were more, the
 * connection is closed instead.
 */
export const MAX_SKIP_WORK = 64 * MIB;
/** After pieces of one body were read for this long, other requests have a turn, in milliseconds. */
export const BODY_TURN_MS = 2;
/** Shortest block in which the pieces of a body of unknown length are collected. */
export const MIN_BODY_BLOCK_BYTES = 1 * KIB;
/** Interval of the measurement of the event loop delay. */
export const EVENT_LOOP_CHECK_MS = 250;

// Fixed: syntax of credentials, and how long a capability is valid, which is part of the interface.

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
/** Lines of `/etc/revoked`. */
export const MAX_REVOKED_LINES = 10_000;
/** Longest user name in `/etc/passwd`. */
export const MAX_USER_NAME_CHARS = 64;

// Fixed: syntax of names and metadata, and pages of the log.

/** Longest folder name of a world on disk; the limit of common file systems. */
export const MAX_FOLDER_BYTES = 255;
/** Longest value of one `X-Meta-*` header. */
export const MAX_META_VALUE_BYTES = 1 * KIB;
/** All `X-Meta-*` names and values of one world together. */
export const MAX_META_TOTAL_BYTES = 8 * KIB;
/** Longest file extension of a world. */
export const MAX_EXT_CHARS = 16;
/** Default page size of `/proc/log`. */
export const LOG_PAGE_EVENTS = 50;
/** Largest page of `/proc/log`. */
export const MAX_LOG_PAGE_EVENTS = 1000;

// Fixed: requests that can be repeated, and the check of the server's health.

/** Longest value of `Idempotency-Key`. */
export const MAX_IDEMPOTENCY_KEY_CHARS = 255;
/** How long a request with the same key gets the first response. */
export const IDEMPOTENCY_MS = 24 * 3_600_000;
/** The result of a check of the store answers `/proc/health` for this long. */
export const HEALTH_CACHE_MS = 1_000;
/** A check that takes longer means that the disk does not answer. */
export const HEALTH_TIMEOUT_MS = 5_000;

// Fixed: pages of listings. A longer listing continues on the next page.

/** Maximum of `?limit=` of a listing. */
export const MAX_LISTING_ROWS = 10_000;
/** Content of worlds in one page of a listing with `?contents`, as JSON; one longer world fits too. */
export const MAX_CONTENTS_BYTES = 4 * MIB;
/** Worlds that such a listing reads at the same time. */
export const CONTENTS_READS = 16;

// Fixed: caches. A full cache refuses nothing.

/** Results of audits that are kept until the file of their world changes. */
export const AUDIT_RESULT_CACHE_ENTRIES = 1024;
/** A longer world is never cached; each read of it goes to disk. */
export const MAX_CACHE_ENTRY_BYTES = 8 * MIB;
/** Listings that are cached until the next change. */
export const LISTING_CACHE_ENTRIES = 4;
/** Numbers of worlds that capabilities can read, cached until the next change. */
export const MAX_READABLE_COUNTS = 256;
/** Longest slice of listings that are made in steps, in milliseconds; then other requests have a turn. */
export const LISTING_SLICE_MS = 3;
/** Long listings, and listings with contents, that are made at the same time; further ones wait. */
export const LISTINGS_AT_ONCE = 4;
/** Longest page that is made at once if it costs in proportion to its rows. */
export const SHORT_LISTING_ROWS = 1_000;
/** Worlds that a listing looks at in one step. */
export const LISTING_STEP_WORLDS = 1_000;
/** Longest listing that is cached; a longer one is kept only while clients read it. */
export const MAX_CACHED_LISTING_BYTES = 2 * MIB;
/** A longer listing is sent in pieces that all clients share. */
export const MAX_UNSPLIT_LISTING_BYTES = 64 * KIB;

// Fixed: how responses are compressed. What exceeds them is sent as it is.

/** Shorter content is not compressed: it fits into one packet. */
export const MIN_COMPRESSED_BYTES = 1 * KIB;
/** Bytes of content that are compressed per second: about a fifth of a processor. */
export const COMPRESSED_PER_SECOND_BYTES = 8 * MIB;
/** Longest answer that is sent with the page of the shell. */
export const MAX_FIRST_ANSWER_BYTES = 32 * KIB;
/** Time for which content is compressed in one turn of the event loop, in milliseconds. */
export const COMPRESSION_SLICE_MS = 2;
/** Bytes of compressed content that are kept. */
export const COMPRESSED_CACHE_BYTES = 4 * MIB;
/** Longest compressed content that is kept. */
export const MAX_CACHED_COMPRESSED_BYTES = 256 * KIB;

// Fixed: an edit takes its time and memory in a writer, which all clients share.

/** Edits of one PATCH: operations, texts to find, or hunks. */
export const MAX_EDITS = 10_000;
/** Work of one PATCH in the writer: characters that are read, compared or copied. */
export const MAX_EDIT_STEPS = 64 * MIB;
/** Work of one value of a JSON text, as compared with one character. */
export const EDIT_STEPS_PER_VALUE = 16;
/** Lines of one unified diff. */
export const MAX_DIFF_LINES = 250_000;
/** Levels of arrays and objects at a place that a PATCH changes, and in what it adds. */
export const MAX_JSON_DEPTH = 512;
/** Longest JSON world, and longest text world with a unified diff, that a PATCH changes. */
export const MAX_PARSED_WORLD_BYTES = 8 * MIB;
/** Time for the shortest diff of two versions; then a longer one is sent. */
export const DIFF_TIMEOUT_MS = 100;
/** Longest two texts whose shortest diff is searched; of longer ones a longer diff is sent. */
export const MAX_SHORTEST_DIFF_BYTES = 4 * MIB;

// Fixed: pages of changes, and the longest wait of a request that holds a place among the streams.

/** Changes in one page of `/proc/changes` or of the log of a collection. */
export const CHANGES_PER_PAGE = 100;
/** Maximum of `?limit=` for such a page. */
export const MAX_CHANGES_PER_PAGE = 1_000;
/** Longest `?wait=` of a request that waits for a change. */
export const MAX_WAIT_SECONDS = 60;

// Fixed: the change index. They divide its work into steps, and refuse nothing.

/** Longest step of a scan of the change index, in changes; other jobs run between two steps. */
export const CHANGE_SCAN_STEP = 2_000;
/** Steps of such a scan after which it stops if its caller has disconnected. */
export const CHANGE_SCAN_PART_STEPS = 64;
/** Collections whose ids in the change index are held in memory. */
export const CHANGE_PATH_CACHE_ENTRIES = 10_000;
/** Events that are ordered in one step while the change index is created. */
export const STAGED_EVENTS_PER_STEP = 2_000;
/** Events of one chain that are read in one step to complete the change index. */
export const CHAIN_EVENTS_PER_READ = 2_000;
/** Changes that are written to the change index in one transaction. */
export const MAX_INDEX_BATCH = 500;
/** Changes that wait in memory for the change index; beyond it, only their names wait. */
export const MAX_INDEX_WAITING = 10_000;
/** Bytes of bodies that wait with these changes. Beyond it a follower reads the body again. */
export const MAX_INDEX_WAITING_BYTES = 64 * MIB;
/** Newest events that are compared with the change index in one step at the start. */
export const CHANGE_HEADS_PER_CHECK = 1_000;
/** Shortest time between two transactions of the change index, so that many changes share one. */
export const INDEX_BATCH_PAUSE_MS = 50;
/** Pause before the change index is tried again after an error, such as a full disk. */
export const INDEX_RETRY_MS = 1_000;
/** Longest pause before the file of the change index is created again; each next one is doubled. */
export const MAX_INDEX_RETRY_MS = 60_000;
/** How long a query of the change index waits while the index is created. */
export const INDEX_WAIT_MS = 10_000;

// Fixed: reached only while the change index cannot be written, as on a full disk, and by one long request.

/**
 * Events of changes with an idempotency key that wait for the change index, in characters. Beyond it
 * further requests with a key get 503, because a repeated one could not be recognized.
 */
export const MAX_WAITING_KEYED_CHARS = 16 * MIB;

// Fixed: files and Workers of the store. They decide when work is done, and refuse nothing.

/** Open SQLite handles of one store Worker; beyond it the least recently used is closed. */
export const MAX_OPEN_WORLDS_PER_WORKER = 96;
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

// Client limits: event streams

/**
 * Open event streams (`ELASTIK_STREAMS`); beyond it 503. Metrics: `elastik_streams_open`,
 * `elastik_streams_refused`.
 */
export const MAX_STREAMS = 10_000;
/**
 * Open event streams of one client (`ELASTIK_STREAMS_PER_CLIENT`); beyond it 429. Metric:
 * `elastik_streams_refused`.
 */
export const MAX_STREAMS_PER_CLIENT = 1_000;
/**
 * Bytes that the reader of an event stream may lag behind (`ELASTIK_STREAM_LAG`) before it is
 * disconnected. Metric: `elastik_streams_lagged`.
 */
export const MAX_STREAM_LAG_BYTES = 8 * MIB;
/**
 * Bytes of all events that wait for slow readers (`ELASTIK_STREAM_BUFFER`), each event counted once;
 * beyond it the slowest readers are disconnected. Metric: `elastik_stream_buffer_bytes`.
 */
export const MAX_STREAM_BUFFER_BYTES = 256 * MIB;

// Fixed: how event streams are sent. A stream that cannot resume starts with the current state.

/** Interval between heartbeat comments on an idle event stream. */
export const HEARTBEAT_SECONDS = 15;

/** Streams that get a heartbeat in one turn of the event loop; 5,000 in one turn took 30 ms. */
export const HEARTBEATS_PER_TURN = 50;
/** Pause between two turns of heartbeats in milliseconds. */
export const HEARTBEAT_TURN_MS = 5;
/** `Retry-After` of a refused stream. */
export const STREAM_RETRY_SECONDS = 10;
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

// Client limits: logs

/**
 * Log lines of one kind per second that clients can cause (`ELASTIK_LOG_RATE`). Metric:
 * `elastik_log_lines_dropped`.
 */
export const CLIENT_LOG_LINES_PER_SECOND = 10;
/**
 * Characters of a log that can wait to be written (`ELASTIK_LOG_BUFFER`); beyond it lines are dropped.
 * Metric: `elastik_log_lines_dropped`.
 */
export const MAX_LOG_BUFFER_CHARS = 4 * MIB;

// Fixed: when logs are written.

/** Smallest value of `ELASTIK_LOG_BUFFER` that has an effect. */
export const MIN_LOG_BUFFER_CHARS = 64 * KIB;
/** Lines of the access log are collected for this long before they are written. */
export const LOG_FLUSH_INTERVAL_MS = 50;
/** A shutdown waits this long for the reader of a log. */
export const LOG_CLOSE_TIMEOUT_MS = 1_000;

// Client limits: audits, copies and reads of long bodies

/**
 * Audits, copies and logs of one caller that run at the same time (`ELASTIK_LONG_JOBS`). Metric:
 * `elastik_long_jobs_running`.
 */
export const LONG_JOBS = 4;
/**
 * Such jobs that can wait (`ELASTIK_LONG_JOBS_WAITING`); beyond it 503. Metrics:
 * `elastik_long_jobs_waiting`, `elastik_long_jobs_refused`.
 */
export const LONG_JOBS_WAITING = 64;
/**
 * Waiting jobs of one client (`ELASTIK_LONG_JOBS_CLIENT`); beyond it 503. Metric:
 * `elastik_long_jobs_refused`.
 */
export const LONG_JOBS_WAITING_PER_CLIENT = 16;

/**
 * Long bodies that are read from disk at the same time (`ELASTIK_LONG_READS`); one client reads at
 * most one less. Metric: `elastik_long_reads_running`.
 */
export const LONG_READS = 3;
/**
 * Reads of long bodies that can wait (`ELASTIK_LONG_READS_WAITING`); beyond it 503. Metrics:
 * `elastik_long_reads_waiting`, `elastik_long_reads_refused`.
 */
export const LONG_READS_WAITING = 1024;
/**
 * Waiting reads of long bodies of one client (`ELASTIK_LONG_READS_CLIENT`); beyond it 503. Metric:
 * `elastik_long_reads_refused`.
 */
export const LONG_READS_WAITING_PER_CLIENT = 256;
/**
 * Long copies that clients read at the same time (`ELASTIK_SNAPSHOTS`), each a temporary file; beyond
 * it 503. Metrics: `elastik_snapshots_open`, `elastik_snapshots_refused`.
 */
export const MAX_SNAPSHOT_FILES = 16;
/**
 * Long copies that one client reads at the same time (`ELASTIK_SNAPSHOTS_CLIENT`); beyond it 503. The
 * `reality` plugin reads up to 6 for each archive, so a client can receive two archives at the same
 * time. Metric: `elastik_snapshots_refused`.
 */
export const MAX_SNAPSHOT_FILES_PER_CLIENT = 12;

// Fixed: what counts as long. Shorter reads and copies have no limit of their own.

/**
 * Longest body that the reader for short reads returns. Reading 1 MiB from disk takes about 5 ms (2
 * cores, Deno 2.9.6); longer bodies are read by the Worker for long jobs.
 */
export const MAX_SHORT_READ_BYTES = 1 * MIB;
/** The snapshot of a longer file is written to a temporary file instead of memory. */
export const MAX_IN_MEMORY_SNAPSHOT_BYTES = 1 * MIB;

// Fixed: syntax of plugins and of requests about them.

/** Longest request body with a key for a signed snapshot. */
export const MAX_KEY_BODY_BYTES = 128;
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

// Fixed: how plugins are managed. A full cache refuses nothing.

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

/** Deleted worlds are kept this long (`ELASTIK_TRASH`). Metric: `elastik_trash_expired`. */
export const TRASH_KEEP = "30d";

// Fixed: how the trash is kept. Metric: `elastik_trash_expired`.

/** Deleted worlds of one page of `/proc/trash` by default, and at most. */
export const TRASH_PAGE_ENTRIES = 100;
export const MAX_TRASH_PAGE_ENTRIES = 1000;
/** Worlds whose time is over are looked for after this time, in milliseconds. */
export const TRASH_SWEEP_MS = 600_000;
/** Removals that are deleted for good in one step, and the pause after it in milliseconds. */
export const TRASH_WORLDS_PER_STEP = 8;
export const TRASH_PAUSE_MS = 20;
/** Newest rows of the trash of which a start checks that a crash did not stop the deletion. */
export const CHECKED_DELETIONS = 2000;
/** Removals of an earlier version whose files are read in one step. */
export const TRASH_FACTS_PER_STEP = 32;
/** A listing waits this long for them, in milliseconds. */
export const TRASH_WAIT_MS = 5_000;
/** A row of the trash without a folder is kept this long, in milliseconds. */
export const TRASH_ROW_GRACE_MS = 600_000;
/** A later time of the clock by this much is a step, in milliseconds; it counts after the second. */
export const TRASH_STEP_MS = 3_600_000;
export const TRASH_STEP_TRUST_MS = 86_400_000;

// Fixed: archives that an operator imports with the command line. No client can reach these.

/** Entries of an imported archive. */
export const MAX_ARCHIVE_ENTRIES = 1_000_000;
/** Largest file of an imported archive; a world is held in memory while it is checked. */
export const MAX_ARCHIVE_FILE_BYTES = 512 * MIB;
/** All files of an imported archive together, unpacked. */
export const MAX_ARCHIVE_BYTES = 64 * 1024 * MIB;
/** Bytes between two files of an imported archive, such as long names. */
export const MAX_ARCHIVE_GAP_BYTES = 4 * MIB;
