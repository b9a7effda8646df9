/**
 * The SQL statements of the search index, as literals for each of two equal sets of tables. Worlds
 * that only T3 can read are in the set `restricted`, so that a search of other callers never touches
 * their texts, their terms or their number.
 *
 * `worlds` has one row per world, `pieces` one per part of its text (see `splitText`), `texts` the
 * text of each part. `grams` is the full-text index of the folded parts; `waiting` has the parts that
 * are not in it yet and are searched one by one.
 */

/** Version of the tables and of the folding; an index of another version is created again. */
export const SEARCH_VERSION = 1;

/**
 * Settings of the connection. A commit is not synced: what a power loss takes away is indexed again.
 * The pages are large, because a text of 2 KiB leaves little space in a page of 4 KiB for a second. The
 * log is copied into the file at 64 of them, 1 MiB: a small disk is for worlds.
 */
export const SEARCH_SETUP = `PRAGMA page_size = 16384; PRAGMA journal_mode = WAL;
   PRAGMA synchronous = NORMAL; PRAGMA wal_autocheckpoint = 64; PRAGMA cache_size = -4000;`;

/** Reads the version of the tables. */
export const READ_SEARCH_VERSION = `PRAGMA user_version`;
/** Creates the settings of a new index. */
export const CREATE_FACTS =
  `CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID`;
/** Completes a new index. */
export const COMPLETE_SEARCH = `PRAGMA user_version = ${SEARCH_VERSION}`;
/** Reads the version of Unicode with which the texts were folded. */
export const SELECT_UNICODE = `SELECT value FROM facts WHERE name = 'unicode'`;
/** Saves it. */
export const SAVE_UNICODE = `INSERT OR REPLACE INTO facts (name, value) VALUES ('unicode', ?)`;

/** The statements of one set of tables. */
export interface SetSql {
  readonly create: string;
  readonly selectNames: string;
  readonly selectWorld: string;
  readonly insertWorld: string;
  readonly updateWorld: string;
  readonly deleteWorld: string;
  readonly selectPieces: string;
  readonly insertPiece: string;
  readonly deletePiece: string;
  readonly selectText: string;
  readonly insertText: string;
  readonly deleteText: string;
  readonly insertWaiting: string;
  readonly deleteWaiting: string;
  readonly selectWaiting: string;
  readonly insertGrams: string;
  readonly deleteGrams: string;
  readonly countWorlds: string;
  readonly countWaiting: string;
  readonly measureRange: string;
  readonly selectTooLong: string;
  readonly countFound: string;
  readonly selectTerms: string;
  readonly findAll: string;
  readonly findRare: string;
  readonly findCommon: string;
}

/** The statements of the worlds that are open to several tiers. */
export const OPEN: SetSql = createSetSql("open");
/** The statements of the worlds that only T3 can read. */
export const RESTRICTED: SetSql = createSetSql("restricted");

/** @param set one of the two literal names of the sets, never a value from outside */
function createSetSql(set: "open" | "restricted"): SetSql {
  const worlds = `${set}_worlds`;
  const pieces = `${set}_pieces`;
  const texts = `${set}_texts`;
  const waiting = `${set}_waiting`;
  const grams = `${set}_grams`;
  const columns = `w.name, w.version, p.id, p.line, p.col`;
  const found =
    `SELECT rowid FROM ${grams} WHERE ${grams} MATCH ? UNION ALL SELECT id FROM ${waiting}`;
  // The plus sign keeps SQLite from a look-up of each found part for each world.
  // A form is for all callers (0), for callers below T3 (1) or for T3 (2).
  const range = `w.name >= ? AND w.name < ? AND w.form <> ? AND (w.name > ? OR p.id > ?)
     ORDER BY w.name, p.id LIMIT ?`;
  return {
    create: `
CREATE TABLE ${worlds} (
  id INTEGER PRIMARY KEY,
  name TEXT NOT NULL UNIQUE,
  stamp TEXT NOT NULL,
  version INTEGER NOT NULL,
  form INTEGER NOT NULL,
  chars INTEGER,
  too_long INTEGER NOT NULL
);
CREATE INDEX ${worlds}_too_long ON ${worlds} (name) WHERE too_long = 1;
CREATE TABLE ${pieces} (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  world INTEGER NOT NULL,
  line INTEGER NOT NULL,
  col INTEGER NOT NULL
);
CREATE INDEX ${pieces}_of_world ON ${pieces} (world);
CREATE TABLE ${texts} (id INTEGER PRIMARY KEY, text BLOB NOT NULL);
CREATE TABLE ${waiting} (id INTEGER PRIMARY KEY, chars INTEGER NOT NULL);
CREATE VIRTUAL TABLE ${grams} USING fts5(text, content='', contentless_delete=1,
  tokenize='trigram case_sensitive 1', detail='none');
CREATE VIRTUAL TABLE ${set}_terms USING fts5vocab(${grams}, row);`,
    selectNames: `SELECT name FROM ${worlds}`,
    selectWorld: `SELECT id, stamp, form, chars FROM ${worlds} WHERE name = ?`,
    insertWorld: `INSERT INTO ${worlds} (name, stamp, version, form, chars, too_long)
      VALUES (?, ?, ?, ?, ?, ?)`,
    updateWorld: `UPDATE ${worlds} SET stamp = ?, version = ?, form = ?, chars = ?, too_long = ?
      WHERE id = ?`,
    deleteWorld: `DELETE FROM ${worlds} WHERE id = ?`,
    selectPieces: `SELECT id FROM ${pieces} WHERE world = ? ORDER BY id`,
    insertPiece: `INSERT INTO ${pieces} (world, line, col) VALUES (?, ?, ?)`,
    deletePiece: `DELETE FROM ${pieces} WHERE id = ?`,
    selectText: `SELECT text FROM ${texts} WHERE id = ?`,
    insertText: `INSERT INTO ${texts} (id, text) VALUES (?, ?)`,
    deleteText: `DELETE FROM ${texts} WHERE id = ?`,
    insertWaiting: `INSERT INTO ${waiting} (id, chars) VALUES (?, ?)`,
    deleteWaiting: `DELETE FROM ${waiting} WHERE id = ? RETURNING chars`,
    selectWaiting: `SELECT id FROM ${waiting} ORDER BY id LIMIT 1`,
    insertGrams: `INSERT INTO ${grams} (rowid, text) VALUES (?, ?)`,
    deleteGrams: `DELETE FROM ${grams} WHERE rowid = ?`,
    countWorlds: `SELECT count(*) AS count FROM ${worlds} WHERE chars IS NOT NULL`,
    countWaiting: `SELECT coalesce(sum(chars), 0) AS chars FROM ${waiting}`,
    measureRange: `SELECT count(*) AS count, coalesce(sum(chars), 0) AS chars FROM
      (SELECT chars FROM ${worlds} WHERE name >= ? AND name < ? LIMIT ?)`,
    selectTooLong: `SELECT name FROM ${worlds}
      WHERE too_long = 1 AND name >= ? AND name < ? AND form <> ? ORDER BY name LIMIT ?`,
    countFound: `SELECT count(*) AS count FROM
      (SELECT rowid FROM ${grams} WHERE ${grams} MATCH ? LIMIT ?)`,
    selectTerms: `SELECT term FROM ${set}_terms WHERE term >= ? AND term < ? LIMIT ?`,
    findAll: `SELECT ${columns} FROM ${worlds} w CROSS JOIN ${pieces} p ON p.world = w.id
      WHERE ${range}`,
    findRare: `SELECT ${columns} FROM (${found}) f CROSS JOIN ${pieces} p ON p.id = f.rowid
      CROSS JOIN ${worlds} w ON w.id = p.world WHERE ${range}`,
    findCommon: `SELECT ${columns} FROM ${worlds} w CROSS JOIN ${pieces} p ON p.world = w.id
      WHERE +p.id IN (${found}) AND ${range}`,
  };
}
