/** What a data folder has besides the files of worlds: the ledger of names, the trash, the marks. */

import type { DatabaseSync } from "node:sqlite";
import { splitLines } from "../../base/decode_text.ts";
import { COLLECTIONS_FILE, LEDGER_FILE, pathExists } from "../file/durable_fs.ts";
import type { LastUse } from "../change/create_world.ts";
import { withOfflineFile } from "../file/offline_file.ts";
import * as sql from "../file/sql.ts";
import { nameFault } from "../name.ts";
import type { ImportedDeletion } from "./import_rows.ts";

/** See the module. */
export interface FolderFacts {
  /** The last use of each name by a world that ended. */
  readonly names: ReadonlyMap<string, LastUse>;
  /** The worlds in the trash, by id and name with a slash. */
  readonly trash: ReadonlyMap<string, ImportedDeletion>;
  /** Collections without worlds. */
  readonly marks: readonly string[];
  /** Number of moves that a server has begun and not completed. */
  readonly moves: number;
}

const TRASH = `SELECT id, name, deleted_at, by FROM trash WHERE version >= 0`;
const HAS_TABLE = `SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?`;

/**
 * Reads a folder that no server uses; it is not changed.
 *
 * @param scratchFolder returns an empty folder, for a copy of a file with a log
 * @throws what SQLite and the file system throw
 */
export function readFolderFacts(data: string, scratchFolder: () => string): FolderFacts {
  const path = `${data}/${LEDGER_FILE}`;
  const ledger = pathExists(path)
    ? withOfflineFile(path, scratchFolder, readLedger)
    : { names: new Map<string, LastUse>(), trash: new Map<string, ImportedDeletion>(), moves: 0 };
  return { ...ledger, marks: readMarks(`${data}/${COLLECTIONS_FILE}`) };
}

function readLedger(db: DatabaseSync): Omit<FolderFacts, "marks"> {
  const has = (table: string) => db.prepare(HAS_TABLE).get(table) !== undefined;
  const uses = has("names") ? db.prepare(sql.SELECT_USES).all() : [];
  const deletions = has("trash") ? db.prepare(TRASH).all() : [];
  return {
    names: new Map(
      uses.map(({ name, version, updated_at, trash }) => [
        String(name),
        { version: Number(version), updatedAt: String(updated_at), trash: String(trash) },
      ]),
    ),
    trash: new Map(
      deletions.map(({ id, name, deleted_at, by }) => [
        `${id}/${name}`,
        { id: String(id), deletedAt: String(deleted_at), by: String(by) },
      ]),
    ),
    moves: has("moves") ? db.prepare(sql.SELECT_MOVES).all().length : 0,
  };
}

function readMarks(path: string): string[] {
  if (!pathExists(path)) return [];
  return splitLines(Deno.readTextFileSync(path)).filter((name) =>
    name !== "" && nameFault(name) === undefined
  );
}
