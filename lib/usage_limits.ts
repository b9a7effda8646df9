/** Limits of the usage page and of quotas. Constants only. */

// Fixed: the sizes of a usage, and of a list that only T3 writes.

/** Maximum number of children and of callers that a usage lists, the largest first. */
export const MAX_USAGE_ROWS = 1_000;

/** Usages that are kept until a world changes, by read scope, prefix and caller. */
export const MAX_CACHED_USAGES = 64;

/** Worlds whose size on disk is read in one step of the Worker: about 20 ms. */
export const DISK_STEP_WORLDS = 1_000;

/** How long the metrics wait for the free space of the disk, in milliseconds. */
export const METRICS_DISK_TIMEOUT_MS = 1_000;

/** Maximum number of lines of `/etc/quota`. */
export const MAX_QUOTA_LINES = 1_000;

/** How often the size of an edit or of a restored world is measured again before it is refused. */
export const MAX_QUOTA_ATTEMPTS = 8;
