/**
 * The trash as the Worker of the index serves it: pages of the table, facts of worlds that the table
 * lacks, and the final deletion. The writers add rows when they delete worlds. It opens the file of a
 * deleted world only once, if no row has its facts.
 */

import { DatabaseSync } from "node:sqlite";
import {
  createTrashId,
  INCOMING_FOLDER,
  listFolders,
  pathExists,
  syncFolder,
  TRASH_FOLDER,
  tryRemove,
  WORLD_FILE,
} from "../file/durable_fs.ts";
import { NameLedger } from "../file/name_ledger.ts";
import { readStageRow, rowsOf } from "../file/read_stage.ts";
import { assertRegularFiles } from "../file/regular_files.ts";
import * as sql from "../file/sql.ts";
import { TRASH_ROW_GRACE_MS } from "../../limits.ts";
import { fromFolderName, toFolderName } from "../name.ts";
import type { JobResults } from "../store/worker_messages.ts";
import {
  isTrashId,
  type TrashEntry,
  type TrashPage,
  type TrashPosition,
  type TrashQuery,
  type TrashRecord,
} from "../trash.ts";

/** The trash of one data folder. */
export class TrashBin {
  readonly #ledger: NameLedger;
  readonly #folder: string;

  /** @param data path of the data folder */
  constructor(readonly data: string) {
    this.#ledger = new NameLedger(data);
    this.#folder = `${data}/${TRASH_FOLDER}`;
  }

  /** Reads a page, newest first, of worlds whose folders are in the trash. */
  page({ within, after, limit }: TrashQuery): TrashPage {
    const entries: TrashEntry[] = [];
    let last: TrashPosition | undefined = after;
    for (;;) {
      // One more than the page shows whether there are more.
      const rows = this.#ledger.trash.newest(within, last, limit + 1);
      for (const row of rows) {
        last = row;
        if (!this.#isInPlace(row)) continue; // an operator removed or moved its folder
        if (entries.length === limit) return { entries, more: true };
        entries.push(toEntry(row));
      }
      if (rows.length <= limit) return { entries, more: false };
    }
  }

  /** The worlds of an id whose folders are in the trash. */
  ofId(id: string): TrashEntry[] {
    if (!isTrashId(id) || !pathExists(`${this.#folder}/${id}`)) return [];
    const rows = this.#ledger.trash.ofId(id).filter((row) => this.#isInPlace(row));
    return rows.length > 0 ? rows.map(toEntry) : this.facts([id]).filter(isWorld);
  }

  /**
   * Returns the ids of folders without a row, and drops rows without a folder.
   *
   * @param now RFC 3339 time; a row of the last minutes can belong to a deletion that is not complete
   */
  unknown(now: string): string[] {
    const known = this.#ledger.trash.ids();
    const found = new Set(listFolders(this.#folder).filter(isTrashId));
    const before = new Date(Date.parse(now) - TRASH_ROW_GRACE_MS).toISOString();
    const lost = [...known].filter(([id, at]) => !found.has(id) && at < before);
    if (lost.length > 0) {
      this.#ledger.withoutSync(() => {
        for (const [id] of lost) this.#ledger.trash.dropId(id);
      });
    }
    return [...found].filter((id) => !known.has(id));
  }

  /** Reads the facts of folders without a row from their files. */
  facts(ids: readonly string[]): TrashEntry[] {
    return ids.flatMap((id) => {
      const path = `${this.#folder}/${id}`;
      const worlds = listFolders(path).flatMap((folder) => {
        const name = fromFolderName(folder);
        if (name === undefined || !pathExists(`${path}/${folder}/${WORLD_FILE}`)) return [];
        return [readFacts(`${path}/${folder}/${WORLD_FILE}`, id, name)];
      });
      if (worlds.length > 0) return worlds;
      // A folder without a world: only its end matters.
      const [name, ext, by] = ["", "", ""];
      return [{ id, name, version: -1, deletedAt: modifiedAt(path), by, ext, bytes: 0 }];
    });
  }

  /** Adds rows, and returns the size of the trash. */
  add(records: readonly TrashRecord[]): JobResults["trashAdd"] {
    if (records.length > 0) {
      this.#ledger.withoutSync(() => {
        for (const record of records) this.#ledger.trash.save(record);
      });
    }
    return this.#ledger.trash.size();
  }

  /** Returns ids whose worlds were deleted before a time. */
  expired(before: string, limit: number): string[] {
    return this.#ledger.trash.expired(before, limit);
  }

  /**
   * Deletes the worlds of an id for good. Its folder leaves the trash in one step; the next start
   * removes what a crash left of it.
   */
  expunge(id: string): JobResults["expunge"] {
    if (!isTrashId(id)) return { deleted: [], bytes: 0 };
    const deleted = this.ofId(id);
    const path = `${this.#folder}/${id}`;
    if (pathExists(path)) {
      const doomed = `${this.data}/${INCOMING_FOLDER}/${createTrashId(id)}`;
      Deno.renameSync(path, doomed);
      syncFolder(this.#folder);
      tryRemove(doomed);
    }
    this.#ledger.withoutSync(() => this.#ledger.trash.dropId(id));
    return { deleted, bytes: deleted.reduce((sum, { bytes }) => sum + bytes, 0) };
  }

  /** Closes the ledger. */
  close(): void {
    this.#ledger.close();
  }

  #isInPlace({ id, name }: TrashEntry): boolean {
    return pathExists(`${this.#folder}/${id}/${toFolderName(name)}/${WORLD_FILE}`);
  }
}

function isWorld({ version }: TrashEntry): boolean {
  return version >= 0;
}

function toEntry({ restricted: _restricted, ...entry }: TrashRecord): TrashEntry {
  return entry;
}

/** Reads a world in the trash. Of a damaged one only the name and the time of its folder are known. */
function readFacts(path: string, id: string, name: string): TrashEntry {
  const { size: bytes } = Deno.statSync(path);
  let db: DatabaseSync | undefined;
  try {
    assertRegularFiles(path);
    db = new DatabaseSync(path);
    const row = readStageRow(rowsOf(db)) ?? {};
    const last = db.prepare(sql.LAST_EVENT).get() ?? {};
    const payload: unknown = JSON.parse(String(last.payload ?? "{}"));
    const by = typeof payload === "object" && payload !== null && "by" in payload
      ? payload.by
      : undefined;
    const isEnd = last.event_type === "world_deleted" || last.event_type === "world_moved";
    const at = isEnd ? String(last.timestamp) : modifiedAt(path);
    const who = isEnd && typeof by === "string" ? by : "";
    const [version, ext] = [Number(row.version ?? 0), String(row.ext ?? "bin")];
    return { id, name, version, deletedAt: at, by: who, ext, bytes };
  } catch {
    return { id, name, version: 0, deletedAt: modifiedAt(path), by: "", ext: "bin", bytes };
  } finally {
    db?.close();
  }
}

function modifiedAt(path: string): string {
  try {
    return (Deno.lstatSync(path).mtime ?? new Date()).toISOString();
  } catch {
    return new Date().toISOString(); // it was removed at this moment
  }
}
