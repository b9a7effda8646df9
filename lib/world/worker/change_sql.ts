/**
 * The SQL statements of the change index, as literals. SQL must never be built from values.
 *
 * `changes` has one row per event. `below` lists the changes of each collection, so that a page of a
 * collection costs its length and not the number of all changes. `heads` has the newest event of each
 * chain by the names of its world, also of deleted worlds, which can be restored. `bins` has the ids of
 * the trash whose worlds are indexed, `runs` the first change of each run of the server,
 * `keys` the changes of each idempotency key.
 */

/** Version of the tables; an index of another version is created again. */
export const INDEX_VERSION = 3;

/**
 * Settings of the connection. No other one uses the file; without shared memory, which is a file of its
 * own, there is none that another program could cut. A commit is not synced: a power loss can lose the
 * newest changes.
 */
export const SETUP =
  `PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;
   PRAGMA wal_autocheckpoint = 2000;`;

/** The tables of a new index. */
export const CREATE = `
CREATE TABLE changes (
  seq INTEGER PRIMARY KEY,
  name TEXT NOT NULL,
  event INTEGER NOT NULL,
  at TEXT NOT NULL,
  latest TEXT NOT NULL,
  type TEXT NOT NULL,
  payload TEXT NOT NULL,
  by TEXT NOT NULL,
  also TEXT
);
CREATE INDEX changes_of_name ON changes (name, seq);
CREATE INDEX changes_of_also ON changes (also, seq) WHERE also IS NOT NULL;
CREATE TABLE paths (id INTEGER PRIMARY KEY, path TEXT NOT NULL UNIQUE);
CREATE TABLE below (path INTEGER NOT NULL, seq INTEGER NOT NULL, PRIMARY KEY (path, seq))
  WITHOUT ROWID;
CREATE TABLE heads (
  name TEXT NOT NULL,
  chain TEXT NOT NULL,
  event INTEGER NOT NULL,
  at TEXT NOT NULL,
  ended INTEGER NOT NULL,
  hmac TEXT NOT NULL DEFAULT '',
  PRIMARY KEY (name, chain)
) WITHOUT ROWID;
CREATE INDEX heads_of_chain ON heads (chain);
CREATE TABLE keys (key TEXT NOT NULL, seq INTEGER NOT NULL, PRIMARY KEY (key, seq)) WITHOUT ROWID;
CREATE TABLE bins (id TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE runs (first INTEGER PRIMARY KEY, run TEXT NOT NULL);
CREATE TABLE staged (
  name TEXT NOT NULL,
  event INTEGER NOT NULL,
  at TEXT NOT NULL,
  type TEXT NOT NULL,
  payload TEXT NOT NULL,
  restricted INTEGER NOT NULL,
  also_restricted INTEGER NOT NULL,
  chain TEXT NOT NULL,
  latest TEXT NOT NULL
);`;

/**
 * Orders the events of all chains by time; those of one chain keep their order, because their latest
 * time so far does not step back.
 */
export const INDEX_STAGED = `CREATE INDEX staged_order ON staged (latest, chain, event)`;
/** Adds an event of a chain while the index is created. */
export const STAGE_EVENT =
  `INSERT INTO staged (name, event, at, type, payload, restricted, also_restricted, chain, latest)
   VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`;
/** Reads events after a position, in their order. */
export const STAGED_AFTER =
  `SELECT name, event, at, type, payload, restricted, also_restricted, chain, latest FROM staged
   WHERE (latest, chain, event) > (?, ?, ?) ORDER BY latest, chain, event LIMIT ?`;
/** Ends the creation: the index is complete. */
export const COMPLETE = `DROP TABLE IF EXISTS staged; PRAGMA user_version = 3;`;

/** Reads the version of the tables. */
export const SCHEMA_VERSION = `PRAGMA user_version`;
/** Reads the newest change. */
export const LAST_CHANGE = `SELECT seq, latest FROM changes ORDER BY seq DESC LIMIT 1`;
/** Inserts a change. */
export const INSERT_CHANGE =
  `INSERT INTO changes (seq, name, event, at, latest, type, payload, by, also)
   VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`;
/** Reads a change. */
export const SELECT_CHANGE =
  `SELECT seq, name, event, at, type, payload, by, also FROM changes WHERE seq = ?`;
/** Reads the first change at or after a position, with the latest time of all changes up to it. */
export const LATEST_AT_OR_AFTER =
  `SELECT seq, latest FROM changes WHERE seq >= ? ORDER BY seq LIMIT 1`;
/** Reads events of a name by their ids in their chains, newest first. */
export const EVENTS_OF_NAME = `SELECT seq, name, event, at, type, payload, also FROM changes
   WHERE name = ? AND event BETWEEN ? AND ? ORDER BY seq DESC`;
/** Reads whether an event of a name is indexed. */
export const IS_INDEXED = `SELECT seq FROM changes
   WHERE name = ? AND event = ? AND at = ? AND type = ? AND payload = ? ORDER BY seq DESC LIMIT 1`;
/** Reads events of a name while the index is created. */
export const STAGED_OF_NAME = `SELECT name, event, at, type, payload FROM staged
   WHERE name = ? AND event BETWEEN ? AND ?`;
/** Deletes a change. */
export const DELETE_CHANGE = `DELETE FROM changes WHERE seq = ?`;
/** Deletes a change from the list of a collection. */
export const DELETE_BELOW = `DELETE FROM below WHERE path = ? AND seq = ?`;
/** Deletes a change with an idempotency key. */
export const DELETE_KEY = `DELETE FROM keys WHERE key = ? AND seq = ?`;
/** Adds a change to the list of a collection. */
export const INSERT_BELOW = `INSERT INTO below (path, seq) VALUES (?, ?)`;
/** Adds a change with an idempotency key. */
export const INSERT_KEY = `INSERT OR IGNORE INTO keys (key, seq) VALUES (?, ?)`;
/** Reads the changes with an idempotency key, oldest first. */
export const CHANGES_OF_KEY =
  `SELECT name, event, at, type, payload FROM keys JOIN changes USING (seq)
   WHERE key = ? ORDER BY seq`;
/** Reads changes of a collection before a position, newest first. */
export const BELOW_BEFORE =
  `SELECT seq FROM below WHERE path = ? AND seq < ? ORDER BY seq DESC LIMIT ?`;
/** Reads changes of a collection after a position, oldest first. */
export const BELOW_AFTER = `SELECT seq FROM below WHERE path = ? AND seq > ? ORDER BY seq LIMIT ?`;
/** Reads changes of a name before a position, newest first. */
export const NAME_BEFORE =
  `SELECT seq FROM changes WHERE name = ? AND seq < ? ORDER BY seq DESC LIMIT ?`;
/** Reads changes of a name after a position, oldest first. */
export const NAME_AFTER = `SELECT seq FROM changes WHERE name = ? AND seq > ? ORDER BY seq LIMIT ?`;
/** Reads moves whose other name is this one before a position, newest first. */
export const ALSO_BEFORE =
  `SELECT seq FROM changes WHERE also = ? AND seq < ? ORDER BY seq DESC LIMIT ?`;
/** Reads moves whose other name is this one after a position, oldest first. */
export const ALSO_AFTER = `SELECT seq FROM changes WHERE also = ? AND seq > ? ORDER BY seq LIMIT ?`;
/** Adds a path and returns its id. */
export const INSERT_PATH = `INSERT INTO paths (path) VALUES (?) RETURNING id`;
/** Reads the id of a path. */
export const SELECT_PATH = `SELECT id FROM paths WHERE path = ?`;
/** Reads the newest indexed event of a name: of the chain that it has, or had last. */
export const SELECT_HEAD = `SELECT chain, event, at, ended, hmac FROM heads WHERE name = ?
   ORDER BY ended, at DESC, event DESC LIMIT 1`;
/** Reads the newest indexed event of a chain under one of its names. */
export const SELECT_HEAD_OF_CHAIN =
  `SELECT chain, event, at, ended, hmac FROM heads WHERE name = ? AND chain = ?`;
/** Reads the newest indexed event of a chain. */
export const SELECT_CHAIN =
  `SELECT chain, event, at, ended, hmac FROM heads WHERE chain = ? ORDER BY event DESC LIMIT 1`;
/** Reads the newest indexed events of a chain under all its names, newest first. */
export const HEADS_OF_CHAIN =
  `SELECT name, chain, event, at, ended, hmac FROM heads WHERE chain = ? ORDER BY event DESC`;
/** Updates the newest indexed event of a chain that keeps its name. */
export const UPDATE_HEAD =
  `UPDATE heads SET event = ?, at = ?, ended = ?, hmac = ? WHERE name = ? AND chain = ?`;
/** Saves the newest indexed event of a name. */
export const SAVE_HEAD = `INSERT OR REPLACE INTO heads (name, chain, event, at, ended, hmac)
   VALUES (?, ?, ?, ?, ?, ?)`;
/** Deletes the newest indexed event of a chain under one of its names. */
export const DELETE_HEAD = `DELETE FROM heads WHERE name = ? AND chain = ?`;
/** Reads whether \`heads\` has the HMACs, which earlier versions did not save. */
export const HAS_HEAD_HMAC =
  `SELECT 1 AS found FROM pragma_table_info('heads') WHERE name = 'hmac'`;
/** Adds the HMACs to \`heads\`; an empty one is not known. */
export const ADD_HEAD_HMAC = `ALTER TABLE heads ADD COLUMN hmac TEXT NOT NULL DEFAULT ''`;
/** Reads the names that had a world. */
export const OPEN_HEADS = `SELECT name FROM heads WHERE ended = 0`;
/** Saves that the world of an entry of the trash is indexed. */
export const SAVE_BIN = `INSERT OR IGNORE INTO bins (id) VALUES (?)`;
/** Reads whether the world of an entry of the trash is indexed. */
export const SELECT_BIN = `SELECT id FROM bins WHERE id = ?`;
/** Saves the first change of a run. */
export const SAVE_RUN = `INSERT OR REPLACE INTO runs (first, run) VALUES (?, ?)`;
/** Reads the highest first change of a run: each lower number was used. */
export const LAST_RUN = `SELECT max(first) AS first FROM runs`;
/** Reads the run that published a change. */
export const RUN_OF = `SELECT run FROM runs WHERE first <= ? ORDER BY first DESC LIMIT 1`;
