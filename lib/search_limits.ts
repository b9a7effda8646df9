/**
 * The limits of the search index and of searches, by name and unit. This module contains constants
 * only, in the two kinds of groups of `limits.ts`.
 */

const KIB = 1024;
const MIB = 1024 * KIB;

// Client limits: searches

/**
 * Searches that run at the same time (`ELASTIK_SEARCHES`); one client runs at most one less. Metric:
 * `elastik_searches_running`.
 */
export const SEARCHES = 4;
/**
 * Searches that can wait (`ELASTIK_SEARCHES_WAITING`); beyond it 503. Metrics:
 * `elastik_searches_waiting`, `elastik_searches_refused`.
 */
export const SEARCHES_WAITING = 64;
/**
 * Waiting searches of one client (`ELASTIK_SEARCHES_CLIENT`); beyond it 503. Metric:
 * `elastik_searches_refused`.
 */
export const SEARCHES_WAITING_PER_CLIENT = 16;

// Fixed: syntax of searches. A client can search for less, page by page, and a refused search costs little.

/**
 * Longest world that is searched, in bytes. While it is indexed, the Worker needs about six times as
 * much memory. It is more than the largest PUT; only appends can make a world longer.
 */
export const MAX_SEARCHED_WORLD_BYTES = 16 * MIB;
/** Longest text to search for, in characters. */
export const MAX_SEARCH_CHARS = 256;
/** Lines in a page of results, by default. */
export const SEARCH_LINES = 100;
/** Largest number of lines in a page of results. */
export const MAX_SEARCH_LINES = 1_000;
/** Longest snippet of a line in UTF-16 code units, unless the match itself is longer. */
export const SEARCH_SNIPPET_CHARS = 240;
// Fixed: steps of the search index. They decide when and how work is done, and refuse nothing.

/** Length of the parts in which texts are indexed, in UTF-16 code units. */
export const SEARCH_PIECE_CHARS = 16 * KIB;
/**
 * Overlap of two parts of one long line, in UTF-16 code units. A match of 256 characters has at most
 * 2048: up to four characters can fold to one, and each has at most two code units.
 */
export const SEARCH_OVERLAP_CHARS = 2 * KIB;
/** Time for which one step of a search or of the index runs, in milliseconds. */
export const SEARCH_STEP_MS = 10;
/** Rows that one query of a search reads. */
export const SEARCH_ROWS_PER_STEP = 256;
/**
 * The search of a caller that can read a part of the worlds only reads all texts that it covers, if
 * these are at most so many worlds. Then its cost does not depend on other worlds.
 */
export const MAX_ISOLATED_SCAN_WORLDS = 2_000;
/** The same for the length of the texts, in UTF-16 code units. */
export const MAX_ISOLATED_SCAN_CHARS = 8 * MIB;
/** Worlds up to which any search reads all texts, because this is faster than the index. */
export const MAX_SEARCH_SCAN_WORLDS = 100;
/** The same for the length of the texts, in UTF-16 code units. */
export const MAX_SEARCH_SCAN_CHARS = 256 * KIB;
/** Found parts up to which they are sorted by name; more are looked up name by name. */
export const MAX_SEARCH_RARE_PIECES = 2_000;
/** Parts in which one or two characters are looked for before the full-text index is asked. */
export const SEARCH_FIRST_PIECES = 128;
/** Parts in which a text that many parts contain is looked for before the index is asked. */
export const SEARCH_COMMON_PIECES = 1_024;
/** Parts that one query on PostgreSQL looks at without the trigram index. */
export const SEARCH_WINDOW_PIECES = 2_048;
/** Changes up to which a search on PostgreSQL looks whether those that wait concern it. */
export const SEARCH_LOOKED_CHANGES = 50_000;
/** Sequences of three characters that a query of the index has for one or two characters. */
export const MAX_SEARCH_TERMS = 2_000;
/** Names of worlds that are too long to be searched in a response. */
export const MAX_SEARCH_TOO_LONG = 100;
/**
 * The time of a response is rounded up to a multiple of this if the search used an index that has
 * worlds which its caller cannot read, in milliseconds.
 */
export const SEARCH_TIME_GRID_MS = 50;
/** Pause between the start of the store and the first update of the search index. */
export const SEARCH_START_DELAY_MS = 1_000;
/** Changes are collected for this long before the search index gets them. */
export const SEARCH_COLLECT_MS = 500;
/**
 * The same for the tables of the search on PostgreSQL, which all nodes share. A world that changes all the
 * time is indexed once in this time, unless a search needs it.
 */
export const SEARCH_TABLES_COLLECT_MS = 1_000;
/** A search waits this long for worlds that are not in the index; beyond it 503. */
export const SEARCH_WAIT_MS = 30_000;
/** Worlds in one update of the search index. */
export const MAX_SEARCH_UPDATE_WORLDS = 256;
/** Bytes of content in one update of the search index, unless one world is longer. */
export const MAX_SEARCH_UPDATE_BYTES = 1 * MIB;
/** A search that fails does not create the index again within this time after the last time. */
export const SEARCH_REBUILD_MS = 60_000;
/** Without a change for this long, the full-text index gets what waits without pauses. */
export const SEARCH_QUIET_MS = 500;
/** Text that can wait for the full-text index while worlds change, in UTF-16 code units. */
export const SEARCH_WAITING_CHARS = 8 * MIB;
/** Pause between two steps of the search index while worlds change, in milliseconds. */
export const SEARCH_PAUSE_MS = 40;
