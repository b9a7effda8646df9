/**
 * All SQL statements of the store, as literals. SQL must never be built from values.
 *
 * Every world has the tables `stage_meta` and `events`, which are documented for users who open the
 * file with `sqlite3`. The tables `history` and `content` are created with the first replaced
 * version. The table `pieces` exists while a world has appended bytes that are not in its row yet.
 */

/** The tables of a new world. */
export const CREATE_WORLD = `
CREATE TABLE stage_meta (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  stage_html BLOB NOT NULL,
  version INTEGER NOT NULL,
  updated_at TEXT NOT NULL,
  ext TEXT NOT NULL,
  headers TEXT NOT NULL,
  state TEXT NOT NULL
);
CREATE TABLE events (
  id INTEGER PRIMARY KEY,
  timestamp TEXT NOT NULL,
  event_type TEXT NOT NULL,
  payload TEXT NOT NULL,
  hmac TEXT NOT NULL,
  prev_hmac TEXT NOT NULL
);`;

/**
 * The tables of earlier versions. The bytes of a `full` row are in `content`, by their hash. A
 * `prefix` row, saved before an append, has no bytes of its own: it is the first `len` bytes of the
 * next version.
 */
export const CREATE_HISTORY = `
CREATE TABLE IF NOT EXISTS history (
  version INTEGER PRIMARY KEY,
  kind TEXT NOT NULL CHECK (kind IN ('full', 'prefix')),
  ext TEXT NOT NULL,
  headers TEXT NOT NULL,
  state TEXT NOT NULL,
  updated_at TEXT NOT NULL,
  len INTEGER NOT NULL,
  sha256 TEXT
);
CREATE TABLE IF NOT EXISTS content (
  sha256 TEXT PRIMARY KEY,
  bytes BLOB NOT NULL
) WITHOUT ROWID;`;

/** Returns a row if the world has the tables of earlier versions. */
export const HAS_HISTORY = `SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'history'`;

/** Inserts the row of a new world. */
export const INSERT_STAGE =
  `INSERT INTO stage_meta (id, stage_html, version, updated_at, ext, headers, state)
   VALUES (1, ?, ?, ?, ?, ?, ?)`;
/** Reads the row of a world with its bytes; see `readStage` for those that are not in it yet. */
export const SELECT_STAGE = `SELECT stage_html, version, updated_at, ext, headers, state
   FROM stage_meta WHERE id = 1`;
/** Reads the row of a world without its bytes, and their length. */
export const SELECT_ROW = `SELECT version, updated_at, ext, headers, state,
   octet_length(stage_html) AS len FROM stage_meta WHERE id = 1`;
/** Fails if a database is not the file of a world. */
export const SELECT_IS_WORLD = "SELECT 1 FROM stage_meta LIMIT 1";
/** Reads the bytes in the row of a world. */
export const SELECT_BODY = `SELECT stage_html FROM stage_meta WHERE id = 1`;
/** Replaces the row of a world. */
export const REPLACE_STAGE = `UPDATE stage_meta
   SET stage_html = ?, version = ?, updated_at = ?, ext = ?, headers = ?, state = ? WHERE id = 1`;
/** Appends bytes to the row of a world. The cast keeps a column that was edited to text a BLOB. */
export const APPEND_STAGE = `UPDATE stage_meta
   SET stage_html = CAST(stage_html || ? AS BLOB), version = ?, updated_at = ?, state = ?
   WHERE id = 1`;
/** Updates the row of a world after a rename. */
export const MOVE_STAGE = `UPDATE stage_meta SET version = ?, updated_at = ?, ext = ? WHERE id = 1`;
/** Updates the row of a world that is restored from the trash. */
export const RESTORE_STAGE =
  `UPDATE stage_meta SET version = ?, updated_at = ?, ext = ?, state = ? WHERE id = 1`;
/** Changes the state of a world. */
export const SET_STATE = `UPDATE stage_meta SET state = ?, updated_at = ? WHERE id = 1`;

/**
 * The table of appended bytes that are not in the row yet. `version`, `updated_at` and `state` are those
 * of the world after the append. `base_version` is the version of the row to which the bytes belong.
 * The table can exist if a person has deleted its rows; it is then as if it did not.
 */
export const CREATE_PIECES = `CREATE TABLE IF NOT EXISTS pieces (
  version INTEGER PRIMARY KEY,
  base_version INTEGER NOT NULL,
  updated_at TEXT NOT NULL,
  state TEXT NOT NULL,
  bytes BLOB NOT NULL
)`;
/** Returns a row if the world has the table of appended bytes. */
export const HAS_PIECES = `SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'pieces'`;
/** Adds appended bytes. */
export const INSERT_PIECE =
  `INSERT INTO pieces (version, base_version, updated_at, state, bytes) VALUES (?, ?, ?, ?, ?)`;
/** Reads the appended bytes in order. */
export const SELECT_PIECES = `SELECT bytes FROM pieces ORDER BY version`;
/** Reads number and length of the appended bytes, and the versions to which they belong. */
export const PIECES_SIZE =
  `SELECT count(*) AS count, coalesce(sum(octet_length(bytes)), 0) AS bytes,
   min(base_version) AS lowest_base, max(base_version) AS highest_base, min(version) AS first
   FROM pieces`;
/** Reads what the newest appended bytes have instead of the row. */
export const LAST_PIECE = `SELECT version, updated_at, state FROM pieces
   ORDER BY version DESC LIMIT 1`;
/** Drops the table of appended bytes. */
export const DROP_PIECES = `DROP TABLE pieces`;

/** Appends an event. */
export const INSERT_EVENT =
  `INSERT INTO events (id, timestamp, event_type, payload, hmac, prev_hmac)
   VALUES (?, ?, ?, ?, ?, ?)`;
/** Reads the newest event. */
export const LAST_EVENT = `SELECT id, timestamp, event_type, payload, hmac, prev_hmac
   FROM events ORDER BY id DESC LIMIT 1`;
/** Reads the HMAC of an event. */
export const HMAC_OF_EVENT = `SELECT hmac FROM events WHERE id = ?`;
/** Reads the first event, which identifies the chain. */
export const FIRST_EVENT = `SELECT id, hmac,
   CASE WHEN json_valid(payload) THEN payload ->> 'name' END AS name FROM events ORDER BY id LIMIT 1`;
/** Reads both names of the moves in a chain, newest first. */
export const MOVES_OF_CHAIN =
  `SELECT id, payload ->> 'from' AS source, payload ->> 'to' AS target FROM events
   WHERE event_type = 'world_moved' AND json_valid(payload) ORDER BY id DESC`;
/** Reads events with an id below a limit, newest first. */
export const EVENTS_BEFORE = `SELECT id, timestamp, event_type, payload, hmac, prev_hmac
   FROM events WHERE id < ? ORDER BY id DESC LIMIT ?`;
/** Reads events with an id above a limit, oldest first. */
export const EVENTS_AFTER = `SELECT id, timestamp, event_type, payload, hmac, prev_hmac
   FROM events WHERE id > ? ORDER BY id LIMIT ?`;
/** Reads the state before the first change of the state after an event. */
export const STATE_BEFORE_NEXT = `SELECT payload ->> 'from' AS state FROM events
   WHERE id > ? AND event_type = 'state_transition' AND json_valid(payload) ORDER BY id LIMIT 1`;
/** An id below every possible event id; rows with negative ids must not escape the check. */
export const BEFORE_ALL_EVENTS = -(2n ** 63n);

/** Saves the current bytes by their hash. */
export const KEEP_CONTENT = `INSERT OR IGNORE INTO content (sha256, bytes)
   SELECT ?, CAST(stage_html AS BLOB) FROM stage_meta WHERE id = 1`;
/** Saves the current version as an earlier one. */
export const KEEP_VERSION =
  `INSERT OR REPLACE INTO history (version, kind, ext, headers, state, updated_at, len, sha256)
   VALUES (?, ?, ?, ?, ?, ?, ?, ?)`;
/** Counts the earlier versions and their bytes. */
export const HISTORY_SIZE = `SELECT
   (SELECT count(*) FROM history) AS versions,
   (SELECT coalesce(sum(length(bytes)), 0) FROM content) AS bytes,
   (SELECT min(version) FROM history) AS oldest`;
/** Reads the newest version that is beyond a number of kept versions. */
export const VERSION_BEYOND = `SELECT version FROM history ORDER BY version DESC LIMIT 1 OFFSET ?`;
/** Counts the kept versions after a version. */
export const COUNT_VERSIONS_AFTER = `SELECT count(*) AS versions FROM history WHERE version > ?`;
/** Drops one version and returns the hash of its bytes. */
export const DROP_VERSION = `DELETE FROM history WHERE version = ? RETURNING sha256`;
/** Drops all versions up to a number. */
export const DROP_VERSIONS = `DELETE FROM history WHERE version <= ?`;
/** Drops all bytes that no version has. */
export const DROP_UNREFERENCED_CONTENT = `DELETE FROM content WHERE sha256 NOT IN
   (SELECT sha256 FROM history WHERE sha256 IS NOT NULL) RETURNING length(bytes) AS len`;
/** Drops the bytes of a hash if no version has them. */
export const DROP_CONTENT = `DELETE FROM content WHERE sha256 = ?1
   AND NOT EXISTS (SELECT 1 FROM history WHERE sha256 = ?1) RETURNING length(bytes) AS len`;
/** Drops all earlier versions. */
export const DROP_HISTORY = `DELETE FROM history`;
/** Drops the bytes of all earlier versions. */
export const DROP_ALL_CONTENT = `DELETE FROM content`;
/** Reads the row of an earlier version. */
export const SELECT_VERSION = `SELECT version, kind, ext, headers, state, updated_at, len
   FROM history WHERE version = ?`;
/** Reads the rows of all versions from a number on. */
export const VERSIONS_FROM = `SELECT version, kind, ext, headers, state, updated_at, len, sha256
   FROM history WHERE version >= ? ORDER BY version`;
/** Inserts an earlier version into a copy. */
export const INSERT_VERSION =
  `INSERT INTO history (version, kind, ext, headers, state, updated_at, len, sha256)
   VALUES (?, ?, ?, ?, ?, ?, ?, ?)`;
/** Inserts the bytes of an earlier version into a copy. */
export const INSERT_CONTENT = `INSERT OR IGNORE INTO content (sha256, bytes) VALUES (?, ?)`;
/**
 * Reads the bytes of the first `full` version from a number on; a `prefix` version is cut from
 * them.
 */
export const SELECT_FULL_CONTENT =
  `SELECT c.bytes FROM history h JOIN content c ON c.sha256 = h.sha256
   WHERE h.version >= ? AND h.kind = 'full' ORDER BY h.version LIMIT 1`;

/** Drops the events of a copy after an event. */
export const CUT_EVENTS = `DELETE FROM events WHERE id > ?`;
/** Drops the earlier versions of a copy from a version on. */
export const CUT_VERSIONS = `DELETE FROM history WHERE version >= ?`;

/** Marks a world as deleted: its chain has the event, its folder is not in the trash yet. */
export const MARK_DELETED = `PRAGMA user_version = 1`;
/** Removes the mark of {@link MARK_DELETED}. */
export const CLEAR_DELETED = `PRAGMA user_version = 0`;
/** Reads the mark of {@link MARK_DELETED}: 1 if the world is deleted. */
export const SELECT_DELETED_MARK = `PRAGMA user_version`;

/** The tables of the ledger of names. */
export const CREATE_LEDGER = `
CREATE TABLE IF NOT EXISTS names (
  name TEXT PRIMARY KEY,
  version INTEGER NOT NULL,
  updated_at TEXT NOT NULL,
  trash TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS moves (
  source TEXT PRIMARY KEY,
  target TEXT NOT NULL,
  carry INTEGER NOT NULL,
  source_version INTEGER NOT NULL,
  version INTEGER NOT NULL,
  by TEXT NOT NULL,
  trash TEXT NOT NULL
) WITHOUT ROWID;`;
/** Reads the last use of a name. */
export const SELECT_LAST_USE = `SELECT version, updated_at, trash FROM names WHERE name = ?`;
/** Reads the last uses of all names. */
export const SELECT_USES = `SELECT name, version, updated_at, trash FROM names`;
/** Saves the last use of a name; version and time never decrease. */
export const SAVE_LAST_USE = `INSERT INTO names (name, version, updated_at, trash)
   VALUES (?, ?, ?, ?) ON CONFLICT (name) DO UPDATE SET
   version = max(version, excluded.version),
   updated_at = max(updated_at, excluded.updated_at),
   trash = excluded.trash`;
/** Saves a move that begins. */
export const SAVE_MOVE = `INSERT OR REPLACE INTO moves
   (source, target, carry, source_version, version, by, trash) VALUES (?, ?, ?, ?, ?, ?, ?)`;
/** Drops a move that is complete or undone. */
export const DROP_MOVE = `DELETE FROM moves WHERE source = ?`;
/** Reads whether a file has the tables of the ledger; without rows it has none. */
export const SELECT_LEDGER = `SELECT 1 FROM sqlite_schema WHERE name = 'moves'`;
/**
 * Reads the names from which a world was moved, with a version that is higher than those that the name
 * used, and the time of the move.
 */
export const SELECT_MOVED_FROM = `SELECT payload ->> 'from' AS name,
   payload ->> 'version_after' AS version, timestamp FROM events
   WHERE event_type = 'world_moved' AND json_valid(payload)
   AND payload ->> 'from' LIKE '/_%' AND typeof(payload ->> 'version_after') = 'integer'`;
/** Reads the moves that have begun. */
export const SELECT_MOVES =
  `SELECT source, target, carry, source_version, version, by, trash FROM moves`;

/** The table of the catalog file. */
export const CREATE_CATALOG = `
PRAGMA journal_mode = WAL;
PRAGMA synchronous = NORMAL;
CREATE TABLE IF NOT EXISTS entries (
  name TEXT PRIMARY KEY,
  version INTEGER NOT NULL,
  ext TEXT NOT NULL,
  len INTEGER NOT NULL,
  state TEXT NOT NULL,
  updated_at TEXT NOT NULL,
  mtime INTEGER NOT NULL,
  size INTEGER NOT NULL,
  by TEXT NOT NULL,
  head INTEGER NOT NULL,
  head_at TEXT NOT NULL
) WITHOUT ROWID;`;
/** Reads all rows of the catalog. */
export const LOAD_CATALOG =
  `SELECT name, version, ext, len, state, updated_at, mtime, size, by, head, head_at FROM entries`;
/** Saves a row of the catalog. */
export const SAVE_ENTRY = `INSERT OR REPLACE INTO entries
   (name, version, ext, len, state, updated_at, mtime, size, by, head, head_at)
   VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`;
/** Drops a row of the catalog. */
export const DROP_ENTRY = `DELETE FROM entries WHERE name = ?`;

/** Checks the structure of a database file; returns `ok` or the first fault. */
export const CHECK_STRUCTURE = `PRAGMA quick_check(1)`;
/** Reads what verification needs of all earlier versions. */
export const ALL_VERSIONS = `SELECT version, kind, len, sha256 FROM history ORDER BY version`;
/** Reads the bytes of a hash. */
export const CONTENT_OF = `SELECT bytes FROM content WHERE sha256 = ?`;
/** Returns the hash of bytes that no version has, if there are any. */
export const UNREFERENCED_CONTENT = `SELECT sha256 FROM content
   WHERE sha256 NOT IN (SELECT sha256 FROM history WHERE sha256 IS NOT NULL) LIMIT 1`;

/** Size of a database in bytes, with the content of its log. */
export const FILE_SIZE =
  `SELECT page_count * page_size AS bytes FROM pragma_page_count, pragma_page_size`;
