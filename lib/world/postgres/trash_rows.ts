/** Rows of the trash in the table of worlds. */

import type { TrashRecord } from "../trash.ts";
import type { QueryRow } from "./query_sessions.ts";
import { WORLD_BYTES } from "./reads.ts";

/** The columns of a deleted world that {@link toTrashRecord} reads. */
export const TRASH_COLUMNS =
  `restricted, trash, trashed_name, version, trashed_at, trashed_by, ext, ${WORLD_BYTES} AS bytes`;

/** Reads the row of a deleted world. */
export function toTrashRecord(row: QueryRow): TrashRecord {
  return {
    restricted: row.restricted === true,
    name: String(row.trashed_name),
    id: String(row.trash),
    version: Number(row.version),
    deletedAt: String(row.trashed_at),
    by: String(row.trashed_by ?? ""),
    ext: String(row.ext),
    bytes: Number(row.bytes),
  };
}
