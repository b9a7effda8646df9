/**
 * Every limit of WebDAV, by name and unit. This module contains constants only, in the two kinds of
 * groups that `limits.ts` describes.
 */

const KIB = 1024;
const MIB = 1024 * KIB;

// Client limits: WebDAV

/**
 * Limits of WebDAV that a client can reach. Real clients stay far below: they name fewer than 40
 * properties in a PROPFIND, and send fewer than 200 elements.
 */
export interface DavLimits {
  /** Longest XML body (`ELASTIK_DAV_XML`); a longer one gets 413. Metric: `elastik_dav_refused`. */
  readonly xmlBytes: number;
  /**
   * Elements and attributes of one XML body, with comments and the like (`ELASTIK_DAV_NODES`).
   * Metric: `elastik_dav_refused`.
   */
  readonly xmlNodes: number;
  /** Properties that one PROPFIND can name (`ELASTIK_DAV_NAMES`). Metric: `elastik_dav_refused`. */
  readonly names: number;
  /**
   * Bytes that the property names of a PROPFIND would need in the response if every resource lacked
   * them (`ELASTIK_DAV_NAMES_BYTES`). Metric: `elastik_dav_refused`.
   */
  readonly namesBytes: number;
  /**
   * Resources that one request with `Depth: infinity` can include (`ELASTIK_DAV_MEMBERS`).
   * Metric: `elastik_dav_refused`.
   */
  readonly members: number;
  /** Dead properties of one resource (`ELASTIK_DAV_PROPERTIES`). Metric: `elastik_dav_refused`. */
  readonly properties: number;
  /**
   * Bytes of all dead properties of one resource (`ELASTIK_DAV_PROPERTY_BYTES`). Metric:
   * `elastik_dav_refused`.
   */
  readonly propertyBytes: number;
  /** Locks of the whole server (`ELASTIK_DAV_LOCKS`). Metric: `elastik_dav_locks_refused`. */
  readonly locks: number;
  /**
   * Shared locks of one resource (`ELASTIK_DAV_SHARED_LOCKS`). Metric:
   * `elastik_dav_locks_refused`.
   */
  readonly sharedLocks: number;
}
/** Defaults of {@link DavLimits}. */
export const DAV_LIMITS: DavLimits = {
  xmlBytes: 128 * KIB,
  xmlNodes: 2048,
  names: 128,
  namesBytes: 32 * MIB,
  members: 10_000,
  properties: 256,
  propertyBytes: 64 * KIB,
  locks: 10_000,
  sharedLocks: 64,
};
/**
 * Locks of one credential (`ELASTIK_MAX_LOCKS`). Metric: `elastik_dav_locks_refused`. Callers without
 * a credential and all tokens derived from one capability count as one. T3 has as many in reserve
 * among the locks of the server.
 */
export const MAX_LOCKS_PER_CREDENTIAL = 1000;

// Fixed: syntax of WebDAV requests, longest lock, and how long responses are written.

/** Deepest nesting of elements in such a body; a deeper one gets 400. */
export const MAX_DAV_XML_DEPTH = 64;
/** A multistatus response about more resources is written while the client reads it. */
export const DAV_BATCH_RESOURCES = 64;
/**
 * Characters after which a part of such a response is sent. The runtime buffers up to 16 parts for a
 * client that does not read (Deno 2.9.6).
 */
export const MULTISTATUS_PIECE_CHARS = 16 * KIB;
/** WebDAV requests work this long in one turn of the event loop, all together, in milliseconds. */
export const DAV_SLICE_MS = 3;
/** Characters of all changes of one PROPPATCH, each with its namespace. */
export const MAX_PROPERTY_CHANGE_CHARS = 4 * MIB;
/** Default lifetime of a lock. */
export const DAV_LOCK_SECONDS = 600;
/** Longest lifetime of a lock. */
export const MAX_DAV_LOCK_SECONDS = 3600;
/** Shortest time between two removals of the locks that have ended. */
export const LOCK_PURGE_MS = 1000;
/** Longest owner of a lock, as XML. */
export const MAX_LOCK_OWNER_CHARS = 4096;
/** Longest If header. */
export const MAX_IF_CHARS = 8 * KIB;
/** Conditions in one If header. */
export const MAX_IF_CONDITIONS = 128;
/** Worlds whose creation info is cached. */
export const MAX_CREATION_INFO_ENTRIES = 16_384;
/** The free space of the disk is read again after this time. */
export const DISK_SPACE_CACHE_MS = 5_000;
/** Longest listing of a mounted folder that WebDAV reads. */
export const MAX_MOUNT_LISTING_CHARS = 16 * MIB;
