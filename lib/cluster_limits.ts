/** Limits of the store on PostgreSQL. Constants only. */

// Fixed: how a node follows the others. A client that waits for it gets 503 by the rules of the store.

/** Rows of the change feed that one query reads. */
export const FEED_PAGE_ROWS = 1_000;
/** Milliseconds between two polls of the change feed; a notification makes one at once. */
export const FEED_POLL_MS = 250;
/**
 * Least milliseconds between the beginnings of two rounds of the feed that no caller waits for. Under load
 * one round then publishes several batches.
 */
export const FEED_PAUSE_MS = 5;
/**
 * The longest of these pauses: a millisecond for each row of the last round. More than a thousand changes a
 * second are published and read in fewer rounds, because a round costs as much as some changes.
 */
export const FEED_LOADED_PAUSE_MS = 25;
/** Milliseconds between two polls where notifications are impossible (`ELASTIK_FEED=poll`). */
export const FEED_POLL_ONLY_MS = 20;
/** Milliseconds for which a node answers from memory after a renewal of its lease was sent. */
export const LEASE_MS = 2_000;
/** Milliseconds between two renewals of the lease. */
export const LEASE_RENEWAL_MS = 1_000;

// Fixed: sessions with the database. A client that waits for one gets 503 by the rules of the store.

/** How long a host may take to answer whether it is the primary, in milliseconds. */
export const PRIMARY_ANSWER_MS = 800;
/** How long after some searches that found none, because hosts can be busy, in milliseconds. */
export const BUSY_ANSWER_MS = 2_000;
/** How long at the start of a node and for a command, which wait for nothing else, in milliseconds. */
export const START_ANSWER_MS = 10_000;
/** Searches for the primary with the shorter time. */
export const SHORT_SEARCHES = 6;
/** How long a session may take to open, in milliseconds. */
export const SESSION_OPEN_MS = 2_000;
/** How long a query may take unless its caller says otherwise, in milliseconds. */
export const SESSION_QUERY_MS = 3_000;
/** How long the server keeps a transaction in which the node does nothing, in milliseconds. */
export const IDLE_TRANSACTION_MS = 2_000;
/** Statements that a session keeps prepared; further ones are parsed each time. */
export const MAX_PREPARED_STATEMENTS = 256;

// Fixed: the sessions of a node, at most 13, and how long it waits for the database.

/** Sessions for batches of changes, second tries and uploads. */
export const WRITE_SESSIONS = 4;
/** Sessions for queries. */
export const READ_SESSIONS = 4;
/** Sessions for audits, copies and searches. */
export const LONG_SESSIONS = 4;
/** Sessions for the change feed. */
export const FEED_SESSIONS = 1;
/**
 * Milliseconds between two looks whether the server has ended the sessions that a node has left during a
 * statement. Until then no new ones are opened in their place.
 */
export const ABANDONED_LOOK_MS = 200;
/**
 * How long a statement of a node waits for a lock, in milliseconds: less than the deadline of the node, so
 * that the server keeps no session for a wait that the node has given up.
 */
export const SESSION_LOCK_MS = 2_500;
/** A commit that waits for a standby for so many milliseconds explains that others have no answer. */
export const STANDBY_WAIT_MS = 2_000;
/** Milliseconds between two searches for the primary. */
export const PRIMARY_SEARCH_PAUSE_MS = 50;
/** Milliseconds for which a query is repeated while the database cannot be reached. */
export const DATABASE_PATIENCE_MS = 10_000;
/** Milliseconds that a statement of the change feed may take. */
export const FEED_DEADLINE_MS = 3_000;
/** Worlds in one row, and in memory as text, when a node reads all of them at its start. */
export const HEADS_PER_ROW = 1_000;

/** Milliseconds that one statement of a long job, of the search or of the trash may take. */
export const LONG_QUERY_MS = 30_000;
/** After so long the server ends a statement that reads: the node has given it up before. */
export const READ_STATEMENT_MS = LONG_QUERY_MS + 5_000;
/** The server ends the transaction of a long job that the node does not use for so long. */
export const LONG_JOB_IDLE_MS = 30_000;

// Fixed: what the nodes know of each other.

/** Milliseconds between two heartbeats of a node. */
export const HEARTBEAT_MS = 2_000;
/** Milliseconds that the clock of a node may differ from that of the database before it is reported. */
export const CLOCK_TOLERANCE_MS = 5_000;
/** Seconds after the last heartbeat for which a node is listed. */
export const NODE_EXPIRY_SECONDS = 30;
/** Seconds after its renewal for which a node has a lease, such as that of a duty. */
export const NODE_LEASE_SECONDS = 10;
/** Seconds before the end of such a lease at which its node counts it as lost. */
export const NODE_LEASE_MARGIN_SECONDS = 2;
/** Milliseconds that a request waits for one with the same key on another node, and between two tries. */
export const EXCLUSIVE_WAIT_MS = 30_000;
export const EXCLUSIVE_PAUSE_MS = 10;

// Fixed: the commands of the operator that create, upgrade and check a store. No client reaches them.

/** How long one statement of such a command may take, in milliseconds. */
export const STORE_STATEMENT_MS = 600_000;
/** How long such a command waits for another one, in milliseconds. */
export const STORE_LOCK_WAIT_MS = 10_000;
/** Milliseconds between two looks whether a query of such a command waits for a standby. */
export const STANDBY_LOOK_MS = 10_000;
/** How long such a command waits for a standby that is connected, in milliseconds. */
export const CONNECTED_STANDBY_MS = 60_000;
/** A check warns of a transaction that is open longer, in seconds. */
export const OLD_TRANSACTION_SECONDS = 60;
/** A check warns of a replication slot that keeps the rows of more transactions. */
export const OLD_SNAPSHOT_XIDS = 100_000;
/** Most sessions of a node. */
export const NODE_SESSIONS = WRITE_SESSIONS + READ_SESSIONS + LONG_SESSIONS + FEED_SESSIONS;
/** A check warns if fewer sessions are allowed: those of three nodes. */
export const MIN_DATABASE_SESSIONS = 3 * NODE_SESSIONS;

// Fixed: the write path of a node. They bound its memory and the work of one batch.

/** Batches that a node has under way at the same time. */
export const WRITE_LANES = 2;
/** Worlds of one batch. */
export const MAX_BATCH_WORLDS = 500;
/**
 * While one is under way, a further batch begins if so many worlds wait, if that one takes longer, or if
 * there are few changes. Otherwise they wait for its end and travel together: a batch costs as much as some
 * changes.
 */
export const MIN_FURTHER_WORLDS = 32;
/** Changes that wait or are under way up to which they are few. */
export const FEW_CHANGES = 3;
/** How long a batch takes before it counts as slow, in milliseconds. */
export const SLOW_BATCH_MS = 15;
/** Bytes of changes in one batch, after which no further world is added. */
export const MAX_BATCH_BYTES = 1024 * 1024;
/** Worlds that the write path keeps in memory, to change them without a query. */
export const MAX_CACHED_NAMES = 8_192;
/** Bytes of these worlds. */
export const MAX_CACHED_NAMES_BYTES = 16 * 1024 * 1024;
/** How long a world that other nodes have often changed in between is locked before it is changed, in milliseconds. */
export const CONTENDED_MS = 500;
/** How often they must have, each time within that time after the one before. */
export const CONTENDED_COUNT = 2;
/** How long a node waits for the answer of a batch, in milliseconds. */
export const BATCH_DEADLINE_MS = 3_000;
/** Milliseconds before a batch that found no primary or was refused by it is tried again. */
export const BATCH_RETRY_MS = 50;
/** How long a batch waits for the locks of its rows, in milliseconds: less than the deadline of the node. */
export const BATCH_LOCK_MS = 2_500;
/** Longest bytes of a version that are in its row, in bytes. */
export const MAX_INLINE_BYTES = 8 * 1024;
/** Longest chunk of long bytes; also the longest bytes of a change that travel with its batch. */
export const MAX_CHUNK_BYTES = 256 * 1024;
/** Chunks of an upload that have no answer yet, and of one statement that reads them. */
export const CHUNKS_PER_STATEMENT = 4;
/** A chunk below this length, in bytes, is short: this many at the end of a content become long ones. */
export const SHORT_CHUNK_BYTES = MAX_CHUNK_BYTES / 2;
export const MERGED_CHUNKS = 16;
/** An append makes the last chunk longer in place up to this length, in bytes, which fits into its row. */
export const INLINE_CHUNK_BYTES = 1_900;
/** How long the statement of a chunk may take, in milliseconds. */
export const CHUNK_DEADLINE_MS = 10_000;

// Fixed: the upkeep of a database, which its nodes share.

/** Milliseconds between two additions of published changes to the lists of changes. */
export const INDEX_STEP_MS = 1_000;
/** Batches that one step adds to these lists. */
export const INDEX_STEP_BATCHES = 1_000;
/** Milliseconds between two deletions of what is not needed any more. */
export const UPKEEP_MS = 60_000;
/** Contents that one step deletes. */
export const UPKEEP_STEP_CONTENTS = 100;
/** Seconds for which content is kept that no version has: reads may be under way. */
export const CONTENT_KEEP_SECONDS = 3_600;
/** Seconds for which the heartbeat of a node and the token of a lock that ended are kept. */
export const NODE_KEEP_SECONDS = 60;
/** Least milliseconds between two removals of WebDAV locks whose time is over, by a node in its memory. */
export const LOCK_PRUNE_MS = 1_000;
