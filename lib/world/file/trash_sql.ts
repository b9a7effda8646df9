/** The SQL statements of the trash table in the ledger of names, as literals. */

/** The table of the trash. A row with version -1 is a folder without a world. */
export const CREATE_TRASH = `
CREATE TABLE IF NOT EXISTS trash (
  restricted INTEGER NOT NULL,
  name TEXT NOT NULL,
  id TEXT NOT NULL,
  version INTEGER NOT NULL,
  deleted_at TEXT NOT NULL,
  by TEXT NOT NULL,
  ext TEXT NOT NULL,
  bytes INTEGER NOT NULL,
  PRIMARY KEY (restricted, name, id)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS trash_newest ON trash (restricted, deleted_at, id, name);
CREATE INDEX IF NOT EXISTS trash_oldest ON trash (deleted_at);
CREATE INDEX IF NOT EXISTS trash_ids ON trash (id);`;
/** Reads whether a ledger has the table of the trash; without rows it does not. */
export const HAS_TRASH = `SELECT 1 FROM sqlite_schema WHERE name = 'trash_ids'`;
/** Saves a row. */
export const SAVE_TRASH = `INSERT OR REPLACE INTO trash
   (restricted, name, id, version, deleted_at, by, ext, bytes) VALUES (?, ?, ?, ?, ?, ?, ?, ?)`;
/** Drops the row of one world. */
export const DROP_TRASH = `DELETE FROM trash WHERE id = ? AND name = ?`;
/** Drops all rows of an id. */
export const DROP_TRASH_ID = `DELETE FROM trash WHERE id = ?`;
/** Reads the worlds of an id. */
export const TRASH_OF_ID =
  `SELECT restricted, name, id, version, deleted_at, by, ext, bytes FROM trash
   WHERE id = ? AND version >= 0 ORDER BY name`;
/** Reads worlds of the whole tree, newest first, after a place. */
export const NEWEST_TRASH =
  `SELECT restricted, name, id, version, deleted_at, by, ext, bytes FROM trash
   WHERE restricted = ? AND (deleted_at, id, name) < (?, ?, ?) AND version >= 0
   ORDER BY deleted_at DESC, id DESC, name DESC LIMIT ?`;
/**
 * Reads worlds of a range of names, newest first, after a place. The plus signs keep SQLite from the
 * index of times, which has the worlds that the caller may not read.
 */
export const NEWEST_TRASH_IN =
  `SELECT restricted, name, id, version, deleted_at, by, ext, bytes FROM trash
   WHERE restricted = ? AND name >= ? AND name < ? AND (+deleted_at, id, name) < (?, ?, ?)
   AND version >= 0 ORDER BY +deleted_at DESC, id DESC, name DESC LIMIT ?`;
/** Reads ids whose worlds were all deleted before a time, oldest first. */
export const EXPIRED_TRASH = `SELECT id FROM trash WHERE deleted_at < ?1 AND id NOT IN
   (SELECT id FROM trash AS newer WHERE newer.id = trash.id AND newer.deleted_at >= ?1)
   GROUP BY id ORDER BY min(deleted_at) LIMIT ?2`;
/** Reads all ids. */
export const TRASH_IDS = `SELECT id, max(deleted_at) AS at FROM trash GROUP BY id`;
/** Counts the worlds and the bytes of their files. */
export const TRASH_SIZE = `SELECT count(*) FILTER (WHERE version >= 0) AS entries,
   coalesce(sum(bytes), 0) AS bytes FROM trash`;
