/**
 * The limits of the logs of plugins, by name and unit. This module contains constants only, in the two
 * kinds of groups of `limits.ts`.
 */

const KIB = 1024;

// Fixed: what is kept in memory. The oldest lines are dropped; nothing is refused.

/** Lines that are kept of one plugin. Metric: `elastik_plugin_log_lines`. */
export const MAX_PLUGIN_LOG_LINES = 1000;
/** Bytes of the lines that are kept of one plugin, as UTF-16. */
export const MAX_PLUGIN_LOG_BYTES = 512 * KIB;
/** Plugins whose log is kept; beyond it that of the plugin whose last line is the oldest is dropped. */
export const MAX_PLUGIN_LOGS = 64;
/** Events that are read to find the caller that wrote a source last. */
export const MAX_WRITER_EVENTS = 1000;
