/**
 * Every bound of the machine by name, with its unit. What an operator may change is read from the
 * environment in `config.ts`, which takes its default here; the rest is fixed. No logic lives here.
 */

const KIB = 1024;
const MIB = 1024 * KIB;

/** Longest request target (path and query) in bytes of its percent-encoded form; beyond it 414. */
export const MAX_URL_BYTES = 8192;
/** Longest folder name a world may need on disk, in bytes (the limit of common file systems). */
export const MAX_FOLDER_BYTES = 255;
/** Default request body cap in bytes (`ELASTIK_MAX_BODY`); beyond it 413. */
export const MAX_BODY_BYTES = 5 * MIB;
/** Default cap in bytes on a world grown by appends (`ELASTIK_MAX_WORLD`); beyond it 413. */
export const MAX_WORLD_BYTES = 64 * MIB;
/** Longest single `X-Meta-*` value in bytes. */
export const MAX_META_VALUE_BYTES = 1 * KIB;
/** Most bytes of all `X-Meta-*` names and values of one world together. */
export const MAX_META_TOTAL_BYTES = 8 * KIB;
/** Longest file extension a world may carry, in characters. */
export const MAX_EXT_CHARS = 16;
/** Default number of earlier versions kept beside a world (`ELASTIK_HISTORY`). */
export const HISTORY_VERSIONS = 100;
/** Default bytes of earlier versions kept beside a world (`ELASTIK_HISTORY`, second field). */
export const HISTORY_BYTES = 32 * MIB;
/** Memory for hot worlds, in bytes (`ELASTIK_CACHE`). */
export const CACHE_BYTES = 64 * MIB;
/** A world longer than this many bytes is read from disk each time and never cached. */
export const MAX_CACHE_ENTRY_BYTES = 8 * MIB;
/** Open SQLite handles a store Worker keeps before it closes the least recently used. */
export const MAX_OPEN_WORLDS_PER_WORKER = 96;
/** Longest capability token in characters, and most lines one may carry. */
export const MAX_CAPABILITY_CHARS = 4096;
export const MAX_CAPABILITY_LINES = 16;
/** Default and longest lifetime of a minted capability, in seconds. */
export const CAPABILITY_TTL_SECONDS = 3600;
export const MAX_CAPABILITY_TTL_SECONDS = 365 * 24 * 3600;
/** Seconds between heartbeat comments on an idle event stream. */
export const HEARTBEAT_SECONDS = 15;
/** Bytes one stream's reader may lag behind before it is dropped. */
export const MAX_STREAM_LAG_BYTES = 8 * MIB;
/** Changes remembered for `Last-Event-ID` of collection streams. */
export const MAX_STREAM_REPLAY_CHANGES = 1024;
/** Events `/proc/log` returns on one page unless asked, and at most. */
export const LOG_PAGE_EVENTS = 50;
export const MAX_LOG_PAGE_EVENTS = 1000;
/** How long a clean shutdown waits for open requests, in milliseconds. */
export const SHUTDOWN_TIMEOUT_MS = 10_000;
/** Longest Accept header that is negotiated, in characters; a longer one counts as absent. */
export const MAX_ACCEPT_CHARS = 2048;
/** Accept headers whose choice one chooser remembers, and the longest it remembers, in characters. */
export const ACCEPT_CACHE_ENTRIES = 256;
export const MAX_CACHED_ACCEPT_CHARS = 512;
/** Most entity tags one If-Match or If-None-Match may list, and its longest form in characters. */
export const MAX_ENTITY_TAGS = 64;
export const MAX_ENTITY_TAGS_CHARS = 8 * KIB;

// plugins

/** Largest frame on the wire between server and cell, in bytes; a longer one ends the cell. */
export const MAX_CELL_FRAME_BYTES = 256 * KIB;
/** Longest head (method, URL, headers) of a message on that wire, in bytes. */
export const MAX_CELL_HEAD_BYTES = 128 * KIB;
/** Largest piece of a body in one frame, and largest body that travels with its head, in bytes. */
export const CELL_CHUNK_BYTES = 64 * KIB;
/** Bytes of one body that may be under way before its reader has taken any. */
export const CELL_WINDOW_BYTES = 256 * KIB;
/** Longest plugin source in bytes. */
export const MAX_PLUGIN_BYTES = 1 * MIB;
/** Longest source that is parsed on the server's own thread, in characters: some 20 ms. */
export const MAX_INLINE_IMPORT_CHECK_CHARS = 64 * KIB;
/** Most entries of one list in a plugin's manifest, and longest of its strings in characters. */
export const MAX_MANIFEST_ENTRIES = 64;
export const MAX_MANIFEST_STRING_CHARS = 1024;

/** What one cell may use before it is refused, slowed or ended. Times are in milliseconds. */
export interface CellLimits {
  /** V8 heap in MiB (`ELASTIK_CELL_HEAP`); past it the cell's process aborts. */
  readonly heapMiB: number;
  /** Resident memory of the whole cell process in MiB (`ELASTIK_CELL_MEMORY`). */
  readonly residentMiB: number;
  /** From spawn to ready, and from probe to manifest (`ELASTIK_CELL_START`). */
  readonly startTimeoutMs: number;
  /** From request to response head, counted again at each piece of a body it takes (`ELASTIK_CELL_ANSWER`). */
  readonly responseTimeoutMs: number;
  /** Pause between heartbeats. */
  readonly heartbeatMs: number;
  /** An unanswered heartbeat of this age is a busy loop (`ELASTIK_CELL_BEAT`). */
  readonly heartbeatTimeoutMs: number;
  /** Requests in the plugin at once (`ELASTIK_CELL_REQUESTS`). */
  readonly maxRequests: number;
  /** Requests that wait for one of those places; past it 503 (`ELASTIK_CELL_WAITING`). */
  readonly maxWaiting: number;
  /** Calls of `env.caller` and `env.machine` at once; further ones wait inside the cell. */
  readonly maxCalls: number;
  /** Longest chain of plugins calling plugins (`ELASTIK_CELL_DEPTH`). */
  readonly maxDepth: number;
  /** Console lines a second (`ELASTIK_CELL_LOG`); the rest is counted and dropped. */
  readonly maxLogLinesPerSecond: number;
  /** How long `ctx.waitUntil` work may outlive its response. */
  readonly waitUntilTimeoutMs: number;
  /** Without a request for this long the process is stopped (`ELASTIK_CELL_IDLE`); 0 is never. */
  readonly idleMs: number;
  /** How long a replaced or stopped cell may finish its requests. */
  readonly drainTimeoutMs: number;
  /** First pause after a second crash in a row; doubled each time. */
  readonly backoffMs: number;
  /** Longest of those pauses, and how long an open circuit stays open. */
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
  waitUntilTimeoutMs: 30_000,
  idleMs: 300_000,
  drainTimeoutMs: 30_000,
  backoffMs: 250,
  maxBackoffMs: 60_000,
  maxCrashes: 6,
};
/** Questions of one plugin to databases at once; each is a process of its own, further ones wait. */
export const MAX_QUERY_PROCESSES = 4;
/** How long such a process waits for the next question, in milliseconds. */
export const QUERY_IDLE_MS = 30_000;
/** Longest real time a plugin may give one query, in milliseconds. */
export const MAX_QUERY_MS = 60_000;
/** Resident memory of a query's process in MiB, where a cell may not have less. */
export const QUERY_RESIDENT_MIB = 384;
/** Longest database that is read into memory for a query, in bytes. */
export const MAX_QUERY_IMAGE_BYTES = 64 * MIB;
/** Most bytes of all values, and most rows, one query gives. */
export const MAX_QUERY_BYTES = 16 * MIB;
export const MAX_QUERY_ROWS = 100_000;
/** Longest Authorization header that is looked at, in characters; a longer one is refused unread. */
export const MAX_AUTHORIZATION_CHARS = 8192;
/** Verified capabilities remembered, so that one used again costs a hash instead of its HMACs. */
export const CAPABILITY_CACHE_ENTRIES = 1024;
/** Longest name of an account in `/etc/passwd`, in characters. */
export const MAX_USER_NAME_CHARS = 64;
/** HTTP dates whose time is remembered. */
export const HTTP_DATE_CACHE_ENTRIES = 256;
/** Missed versions a world's stream replays from its history at most. */
export const MAX_STREAM_REPLAY_VERSIONS = 100;
/** Longest `patience` a plugin may declare, in seconds. */
export const MAX_PATIENCE_SECONDS = 900;
/** Longest body of a request that sets a plugin's state, in bytes. */
export const MAX_STATE_BODY_BYTES = 1024;

// WebDAV

/** Longest XML body of a WebDAV request in bytes; beyond it 413. */
export const MAX_DAV_XML_BYTES = 128 * KIB;
/** Deepest nesting of its elements; beyond it 400. */
export const MAX_DAV_XML_DEPTH = 64;
/** Most resources one PROPFIND, COPY or MOVE of depth infinity reaches. */
export const MAX_DAV_MEMBERS = 10_000;
/** Most bytes a PROPFIND's names may take up in its answer, were every resource to lack them. */
export const MAX_DAV_NAMES_BYTES = 64 * MIB;
/** Resources a multi-status answer makes between two writes. */
export const DAV_BATCH_RESOURCES = 64;
/** Most bytes of dead properties one resource keeps, and most properties. */
export const MAX_DEAD_PROPERTIES_BYTES = 64 * KIB;
export const MAX_DEAD_PROPERTIES = 256;
/** Lifetime of a lock whose client asks for none, and the longest, in seconds. */
export const DAV_LOCK_SECONDS = 600;
export const MAX_DAV_LOCK_SECONDS = 3600;
/** Most locks of the machine, and most shared locks of one resource. */
export const MAX_DAV_LOCKS = 10_000;
export const MAX_SHARED_LOCKS = 64;
/** Longest owner a lock carries, in characters of its XML. */
export const MAX_LOCK_OWNER_CHARS = 4096;
/** Longest If header in characters, and most conditions it may hold. */
export const MAX_IF_CHARS = 8 * KIB;
export const MAX_IF_CONDITIONS = 128;
/** Worlds whose first event is remembered. */
export const MAX_CREATION_INFO_ENTRIES = 16_384;
/** How long a look at the disk's free space holds, in milliseconds. */
export const QUOTA_CACHE_MS = 5_000;
/** Longest body that is read for nothing before an answer over HTTP/2, in bytes, and how long. */
export const MAX_DRAINED_BODY_BYTES = 64 * KIB;
export const DRAIN_BODY_TIMEOUT_MS = 1_000;
/** Characters of the access log that may wait to be written; beyond it lines are dropped and counted. */
export const MAX_LOG_BUFFER_CHARS = 4 * MIB;
/** How long lines of the access log are gathered before they are written, in milliseconds. */
export const LOG_FLUSH_INTERVAL_MS = 50;
/** How long a stop waits for whoever reads the access log, in milliseconds. */
export const LOG_CLOSE_TIMEOUT_MS = 1_000;

// snapshots

/** A world whose file is longer than this many bytes is copied to a file on its way out, not to memory. */
export const MAX_IN_MEMORY_SNAPSHOT_BYTES = 1 * MIB;
/** Most such files at once; past it 503. */
export const MAX_SNAPSHOT_FILES = 16;
/** Longest body that can hold the key a copy is signed with, in bytes. */
export const MAX_KEY_BODY_BYTES = 128;

// the fallback

/** How long a path that the fallback declined is not given to it again, in milliseconds. */
export const FALLBACK_DECLINE_MS = 1_000;
/** Declined paths remembered. */
export const FALLBACK_DECLINE_CACHE_ENTRIES = 1024;
/** Lists of worlds kept between changes, and the longest of them, in bytes. */
export const WORLDS_LIST_CACHE_ENTRIES = 4;
export const MAX_CACHED_WORLDS_LIST_BYTES = 2 * MIB;

// files that plugins answer with

/** Bytes read at a time of a file that goes out in a plugin's answer. */
export const FILE_CHUNK_BYTES = 256 * KIB;
/** How often a request is put to a plugin again whose file changed before it could be sent. */
export const MAX_FILE_ATTEMPTS = 10;

// archives of data folders

/** Most entries of an archive that is brought in. */
export const MAX_ARCHIVE_ENTRIES = 1_000_000;
/** Largest file of one, in bytes; a world is held in memory while it is checked. */
export const MAX_ARCHIVE_FILE_BYTES = 512 * MIB;
/** Most bytes of all its files together, unpacked. */
export const MAX_ARCHIVE_BYTES = 64 * 1024 * MIB;
/** Most bytes between two files of one: long names and the like. */
export const MAX_ARCHIVE_GAP_BYTES = 4 * MIB;

/** Longest listing of a mounted folder that WebDAV reads, in characters. */
export const MAX_MOUNT_LISTING_CHARS = 16 * 1024 * 1024;

/** How long requests for a path without a route wait for plugins that still start, in milliseconds. */
export const PLUGIN_START_WAIT_MS = 5_000;
