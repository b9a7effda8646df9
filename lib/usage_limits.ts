/** Limits of the usage page. Constants only. */

// Fixed: the sizes of a usage.

/** Maximum number of children and of callers that a usage lists, the largest first. */
export const MAX_USAGE_ROWS = 1_000;

/** Usages that are kept until a world changes, by read scope, prefix and caller. */
export const MAX_CACHED_USAGES = 64;
