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
export const MAX_EXT_LENGTH = 16;
/** Default number of earlier versions kept beside a world (`ELASTIK_HISTORY`). */
export const HISTORY_VERSIONS = 100;
/** Default bytes of earlier versions kept beside a world (`ELASTIK_HISTORY`, second field). */
export const HISTORY_BYTES = 32 * MIB;
/** Memory for hot worlds, in bytes (`ELASTIK_CACHE`). */
export const CACHE_BYTES = 64 * MIB;
/** A world longer than this many bytes is read from disk each time and never cached. */
export const CACHE_ENTRY_BYTES = 8 * MIB;
/** Open SQLite handles a store Worker keeps before it closes the least recently used. */
export const OPEN_WORLDS_PER_WORKER = 96;
/** Longest capability token in characters, and most lines one may carry. */
export const MAX_CAPABILITY_LENGTH = 4096;
export const MAX_CAPABILITY_LINES = 16;
/** Default and longest lifetime of a minted capability, in seconds. */
export const CAPABILITY_TTL_SECONDS = 3600;
export const MAX_CAPABILITY_TTL_SECONDS = 365 * 24 * 3600;
/** Seconds between heartbeat comments on an idle event stream. */
export const HEARTBEAT_SECONDS = 15;
/** Bytes one stream's reader may lag behind before it is dropped. */
export const STREAM_LAG_BYTES = 8 * MIB;
/** Changes remembered for `Last-Event-ID` of collection streams. */
export const STREAM_REPLAY_CHANGES = 1024;
/** Events `/proc/log` returns on one page unless asked, and at most. */
export const LOG_PAGE = 50;
export const MAX_LOG_PAGE = 1000;
/** How long a clean shutdown waits for open requests, in milliseconds. */
export const SHUTDOWN_MS = 10_000;
