/**
 * All SQL statements of the store, as literals. SQL must never be built from values.
 *
 * Every world has the tables `stage_meta` and `events`, which are documented for users who open the
 * file with `sqlite3`. The tables `history` and `content` are created with the first replaced
 * version.
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

export const HAS_HISTORY = `SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'history'`;

export const INSERT_STAGE =
  `INSERT INTO stage_meta (id, stage_html, version, updated_at, ext, headers, state)
   VALUES (1, ?, ?, ?, ?, ?, ?)`;
export const SELECT_STAGE = `SELECT stage_html, version, updated_at, ext, headers, state
   FROM stage_meta WHERE id = 1`;
export const SELECT_ROW = `SELECT version, updated_at, ext, headers, state,
   octet_length(stage_html) AS len FROM stage_meta WHERE id = 1`;
export const SELECT_BODY = `SELECT stage_html FROM stage_meta WHERE id = 1`;
export const REPLACE_STAGE = `UPDATE stage_meta
   SET stage_html = ?, version = ?, updated_at = ?, ext = ?, headers = ?, state = ? WHERE id = 1`;
export const APPEND_STAGE = `UPDATE stage_meta
   SET stage_html = CAST(stage_html || ? AS BLOB), version = ?, updated_at = ?, state = ?
   WHERE id = 1`;
export const MOVE_STAGE = `UPDATE stage_meta SET version = ?, updated_at = ?, ext = ? WHERE id = 1`;
export const SET_STATE = `UPDATE stage_meta SET state = ?, updated_at = ? WHERE id = 1`;

export const INSERT_EVENT =
  `INSERT INTO events (id, timestamp, event_type, payload, hmac, prev_hmac)
   VALUES (?, ?, ?, ?, ?, ?)`;
export const LAST_EVENT = `SELECT id, hmac FROM events ORDER BY id DESC LIMIT 1`;
export const EVENTS_BEFORE = `SELECT id, timestamp, event_type, payload, hmac, prev_hmac
   FROM events WHERE id < ? ORDER BY id DESC LIMIT ?`;
export const EVENTS_AFTER = `SELECT id, timestamp, event_type, payload, hmac, prev_hmac
   FROM events WHERE id > ? ORDER BY id LIMIT ?`;
/** An id below every possible event id; rows with negative ids must not escape the check. */
export const BEFORE_ALL_EVENTS = -(2n ** 63n);

export const KEEP_CONTENT = `INSERT OR IGNORE INTO content (sha256, bytes)
   SELECT ?, CAST(stage_html AS BLOB) FROM stage_meta WHERE id = 1`;
export const KEEP_VERSION =
  `INSERT OR REPLACE INTO history (version, kind, ext, headers, state, updated_at, len, sha256)
   SELECT version, ?, ext, headers, state, updated_at, octet_length(stage_html), ?
   FROM stage_meta WHERE id = 1`;
export const HISTORY_SIZE = `SELECT
   (SELECT count(*) FROM history) AS versions,
   (SELECT coalesce(sum(length(bytes)), 0) FROM content) AS bytes,
   (SELECT min(version) FROM history) AS oldest`;
export const DROP_VERSION = `DELETE FROM history WHERE version = ? RETURNING sha256`;
export const DROP_VERSIONS = `DELETE FROM history WHERE version <= ?`;
export const DROP_UNREFERENCED_CONTENT = `DELETE FROM content WHERE sha256 NOT IN
   (SELECT sha256 FROM history WHERE sha256 IS NOT NULL) RETURNING length(bytes) AS len`;
export const DROP_CONTENT = `DELETE FROM content WHERE sha256 = ?1
   AND NOT EXISTS (SELECT 1 FROM history WHERE sha256 = ?1) RETURNING length(bytes) AS len`;
export const DROP_HISTORY = `DELETE FROM history`;
export const DROP_ALL_CONTENT = `DELETE FROM content`;
export const SELECT_VERSION = `SELECT version, kind, ext, headers, state, updated_at, len
   FROM history WHERE version = ?`;
export const VERSIONS_FROM = `SELECT version, kind, ext, headers, state, updated_at, len, sha256
   FROM history WHERE version >= ? ORDER BY version`;
export const INSERT_VERSION =
  `INSERT INTO history (version, kind, ext, headers, state, updated_at, len, sha256)
   VALUES (?, ?, ?, ?, ?, ?, ?, ?)`;
export const INSERT_CONTENT = `INSERT OR IGNORE INTO content (sha256, bytes) VALUES (?, ?)`;
export const SELECT_FULL_CONTENT =
  `SELECT c.bytes FROM history h JOIN content c ON c.sha256 = h.sha256
   WHERE h.version >= ? AND h.kind = 'full' ORDER BY h.version LIMIT 1`;

/** Marks a world as deleted: its chain has the event, its folder is not in the trash yet. */
export const MARK_DELETED = `PRAGMA user_version = 1`;
export const CLEAR_DELETED = `PRAGMA user_version = 0`;
export const SELECT_DELETED_MARK = `PRAGMA user_version`;

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
  size INTEGER NOT NULL
) WITHOUT ROWID;`;
export const LOAD_CATALOG =
  `SELECT name, version, ext, len, state, updated_at, mtime, size FROM entries`;
export const SAVE_ENTRY =
  `INSERT OR REPLACE INTO entries (name, version, ext, len, state, updated_at, mtime, size)
   VALUES (?, ?, ?, ?, ?, ?, ?, ?)`;
export const DROP_ENTRY = `DELETE FROM entries WHERE name = ?`;

export const CHECK_STRUCTURE = `PRAGMA quick_check(1)`;
export const ALL_VERSIONS = `SELECT version, kind, len, sha256 FROM history ORDER BY version`;
export const CONTENT_OF = `SELECT bytes FROM content WHERE sha256 = ?`;
export const UNREFERENCED_CONTENT = `SELECT sha256 FROM content
   WHERE sha256 NOT IN (SELECT sha256 FROM history WHERE sha256 IS NOT NULL) LIMIT 1`;

/** Size of a database in bytes, with the content of its log. */
export const FILE_SIZE =
  `SELECT page_count * page_size AS bytes FROM pragma_page_count, pragma_page_size`;
