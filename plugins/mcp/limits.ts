/**
 * Limits of what one client of the plugin can hold or cause. A capability shares those of one caller with
 * everything that is narrowed from it. This module has constants only.
 */

/** Longest body of a request in bytes: a world of 5 MiB as JSON text needs a little more. */
export const MAX_MESSAGE_BYTES = 8 * 1024 * 1024;
/** Most bytes of all request bodies in memory. */
export const MAX_HELD_BYTES = 32 * 1024 * 1024;
/** Most bytes of the request bodies of one caller in memory. */
export const MAX_HELD_BYTES_PER_CALLER = 16 * 1024 * 1024;
/** Deepest nesting of objects and arrays in a message. */
export const MAX_NESTING = 32;
/** Longest id of a request in characters. */
export const MAX_ID_CHARS = 256;
/** Most requests of one caller at a time, streams not counted. */
export const MAX_CALLS_PER_CALLER = 16;
/** Most open streams. Each holds one of the 32 calls that the plugin can have open on the server. */
export const MAX_STREAMS = 20;
/** Most open streams of one caller. */
export const MAX_STREAMS_PER_CALLER = 8;
/** Most resources in the subscriptions of one session or of one stream. */
export const MAX_SUBSCRIPTIONS = 128;
/** Most sessions with subscriptions. */
export const MAX_SESSIONS = 512;
/** Most sessions with subscriptions of one caller; its least recently used one is given up. */
export const MAX_SESSIONS_PER_CALLER = 32;
/** A session with subscriptions but without a stream is given up after this time, in milliseconds. */
export const SESSION_IDLE_MS = 60 * 60 * 1000;
/** A session ends this long after it began, in milliseconds. */
export const SESSION_LIFETIME_MS = 7 * 24 * 60 * 60 * 1000;
/** Ended sessions whose ids are remembered. */
export const MAX_ENDED_SESSIONS = 1024;
/** Longest path or URI of a world, and longest path with a query, in characters; the server has this limit. */
export const MAX_PATH_CHARS = 8192;
/** Longest name of a client that is recorded, in characters. */
export const MAX_CLIENT_CHARS = 128;
/** Longest text that one tool returns, in characters; a longer one is cut, and the rest can be read. */
export const MAX_TEXT_CHARS = 64 * 1024;
/** Longest picture that the tool `read` returns, in bytes. */
export const MAX_PICTURE_BYTES = 1024 * 1024;
/** Longest content that `resources/read` returns, in bytes. */
export const MAX_RESOURCE_BYTES = 2 * 1024 * 1024;
/** Longest list or log that is read from the server, in bytes. */
export const MAX_LIST_BYTES = 8 * 1024 * 1024;
/** Entries on a page of a list that a client does not limit itself. */
export const PAGE_SIZE = 100;
/** Most entries on a page. */
export const MAX_PAGE_SIZE = 1000;
/** Interval of the comments that keep a stream open, in seconds. */
export const HEARTBEAT_SECONDS = 20;
