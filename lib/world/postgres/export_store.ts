/**
 * Exports the database into a new data folder: all worlds with their chains and earlier versions, the
 * trash, the marks of collections and the ledger of names, as one consistent state. The rows are taken as
 * they are, so every HMAC stays valid under the same key; the folder gets no key. A damaged world is left
 * out, or lacks the bytes of some earlier versions, and is reported. After an error there is no folder.
 *
 * The state is that of one transaction. While it is open, the server keeps every row version that ends,
 * so a cluster under load should be exported seldom.
 */

import { DatabaseSync } from "node:sqlite";
import { acquireDataFolder } from "../file/data_folder.ts";
import {
  COLLECTIONS_FILE,
  pathExists,
  replaceFile,
  syncFolder,
  TRASH_FOLDER,
  tryRemove,
  WORLD_FILE,
  writeSynced,
} from "../file/durable_fs.ts";
import { recordFormat } from "../file/folder_format.ts";
import { NameLedger } from "../file/name_ledger.ts";
import { WorldCopy } from "../file/world_copy.ts";
import { DamagedRows } from "../damaged_rows.ts";
import { nameFault, toFolderName } from "../name.ts";
import { setJournalFormat } from "../sqlite_header.ts";
import { StoreError } from "../store.ts";
import { isTrashId, type TrashRecord } from "../trash.ts";
import {
  type QueryRow,
  type QuerySession,
  type QuerySessions,
  readConsistently,
} from "./query_sessions.ts";
import { SessionError } from "./session.ts";
import { writeStoredWorld } from "./stored_copy.ts";
import { toTrashRecord, TRASH_COLUMNS } from "./trash_rows.ts";

/** Worlds and names that one query reads. */
const ROWS_PER_QUERY = 1_000;
/** The server ends the transaction if this process does not use it for so long, in milliseconds. */
const IDLE_MS = 600_000;

const COUNT = `SELECT count(*) AS count FROM elastik.worlds`;
const WORLDS = `SELECT id, name, ${TRASH_COLUMNS} FROM elastik.worlds
  WHERE id > $1 ORDER BY id LIMIT ${ROWS_PER_QUERY}`;
const NAMES = `SELECT name, version, updated_at, trash FROM elastik.names
  WHERE name > $1 AND version > 0 ORDER BY name LIMIT ${ROWS_PER_QUERY}`;
const MARKS = `SELECT name FROM elastik.marks ORDER BY name`;

/** How the database is exported. */
export interface StoreExportOptions {
  readonly sessions: QuerySessions;
  /** Path of the new folder; it must not exist, or be empty. */
  readonly into: string;
  readonly onProgress?: (done: number, total: number) => void;
  readonly signal?: AbortSignal;
}

/** What an export has written. Worlds in the trash have the name `id/name`. */
export interface StoreExportResult {
  readonly worlds: number;
  readonly trashed: number;
  readonly marks: number;
  /** Worlds that are not in the folder, because the database is damaged. */
  readonly damaged: readonly { readonly name: string; readonly reason: string }[];
  /** Worlds that are in the folder, with versions whose bytes the database does not have. */
  readonly partial: readonly { readonly name: string; readonly versions: readonly number[] }[];
}

/** The target cannot be used. The message is for the operator. */
export class StoreExportError extends Error {
  override readonly name = "StoreExportError";
}

/**
 * Exports the database.
 *
 * @throws {StoreExportError} if the target exists and is not empty
 * @throws the reason of the signal if it was aborted
 */
export async function exportStore(options: StoreExportOptions): Promise<StoreExportResult> {
  const into = options.into.replace(/(.)\/+$/, "$1");
  if (pathExists(into) && !isEmptyFolder(into)) {
    throw new StoreExportError(
      `Cannot export into ${into}: it exists and is not empty; name another folder`,
    );
  }
  const staging = `${into}.export-${crypto.randomUUID().slice(0, 8)}`;
  const folder = acquireDataFolder(staging);
  try {
    const result = await options.sessions.use((session) =>
      readConsistently(session, IDLE_MS, () => new Export(session, staging, options).run())
    );
    recordFormat(staging);
    syncFolder(staging);
    Deno.renameSync(staging, into);
    return result;
  } catch (error) {
    tryRemove(staging);
    throw error;
  } finally {
    folder.release();
  }
}

class Export {
  readonly #session: QuerySession;
  readonly #data: string;
  readonly #ledger: NameLedger;
  readonly #options: StoreExportOptions;
  readonly #signal: AbortSignal;
  readonly #damaged: { name: string; reason: string }[] = [];
  readonly #partial: { name: string; versions: number[] }[] = [];

  constructor(session: QuerySession, data: string, options: StoreExportOptions) {
    this.#session = session;
    this.#data = data;
    this.#ledger = new NameLedger(data);
    this.#options = options;
    this.#signal = options.signal ?? new AbortController().signal;
  }

  async run(): Promise<StoreExportResult> {
    try {
      const counts = await this.#writeWorlds();
      await this.#writeNames();
      const marks = await this.#writeMarks();
      return { ...counts, marks, damaged: this.#damaged, partial: this.#partial };
    } finally {
      this.#ledger.close();
    }
  }

  async #writeWorlds(): Promise<{ worlds: number; trashed: number }> {
    const [count] = await this.#session.query(COUNT, []);
    const total = Number(count?.count);
    const counts = { worlds: 0, trashed: 0 };
    let done = 0;
    for (let last = 0;;) {
      const rows = await this.#session.query(WORLDS, [last]);
      const records: TrashRecord[] = [];
      for (const row of rows) {
        this.#signal.throwIfAborted();
        this.#options.onProgress?.(done++, total);
        last = Number(row.id);
        if (!await this.#writeWorld(row)) continue;
        if (row.name === null) records.push(toTrashRecord(row));
        counts[row.name === null ? "trashed" : "worlds"] += 1;
      }
      if (records.length > 0) {
        this.#ledger.withoutSync(() => records.forEach((row) => this.#ledger.trash.save(row)));
      }
      if (rows.length < ROWS_PER_QUERY) break;
    }
    this.#options.onProgress?.(total, total);
    return counts;
  }

  /** Writes a world; returns false if the database is damaged, so that it is left out. */
  async #writeWorld(row: QueryRow): Promise<boolean> {
    const shown = String(row.name ?? `${row.trash}/${row.trashed_name}`);
    const versions: number[] = [];
    let folder: string;
    let image: Uint8Array<ArrayBuffer>;
    try {
      folder = this.#folderOf(row);
      image = await this.#imageOf(Number(row.id), (version) => versions.push(version));
    } catch (error) {
      if (this.#signal.aborted || !isDamage(error)) throw error;
      this.#damaged.push({ name: shown, reason: faultOf(error) });
      return false;
    }
    if (versions.length > 0) this.#partial.push({ name: shown, versions });
    Deno.mkdirSync(folder, { recursive: true, mode: 0o700 });
    writeSynced(`${folder}/${WORLD_FILE}`, image);
    syncFolder(folder);
    return true;
  }

  async #imageOf(
    world: number,
    onBytesMissing: (version: number) => void,
  ): Promise<Uint8Array<ArrayBuffer>> {
    const db = new DatabaseSync(":memory:");
    try {
      const options = { versions: Infinity, signal: this.#signal, onBytesMissing };
      await writeStoredWorld(this.#session, world, () => new WorldCopy(db), options);
      const image = new Uint8Array(db.serialize());
      setJournalFormat(image, "wal");
      return image;
    } finally {
      db.close();
    }
  }

  /** @throws {DamagedRows} if no folder can have the name of the world */
  #folderOf({ name, trash, trashed_name }: QueryRow): string {
    const stored = String(name ?? trashed_name);
    const fault = nameFault(stored);
    if (fault !== undefined) throw new DamagedRows("export the world", NO_NAME, stored);
    if (name !== null) return `${this.#data}/${toFolderName(stored)}`;
    const id = String(trash);
    if (!isTrashId(id)) throw new DamagedRows("export the world", NO_TRASH_ID, stored);
    return `${this.#data}/${TRASH_FOLDER}/${id}/${toFolderName(stored)}`;
  }

  async #writeNames(): Promise<void> {
    for (let last = "";;) {
      const rows = await this.#session.query(NAMES, [last]);
      this.#signal.throwIfAborted();
      this.#ledger.withoutSync(() => {
        for (const { name, version, updated_at, trash } of rows) {
          last = String(name);
          const use = { version: Number(version), updatedAt: String(updated_at) };
          this.#ledger.recordEnd(last, { ...use, trash: String(trash) });
        }
      });
      if (rows.length < ROWS_PER_QUERY) return;
    }
  }

  async #writeMarks(): Promise<number> {
    const rows = await this.#session.query(MARKS, []);
    if (rows.length === 0) return 0;
    const text = rows.map(({ name }) => `${name}\n`).join("");
    replaceFile(`${this.#data}/${COLLECTIONS_FILE}`, new TextEncoder().encode(text));
    return rows.length;
  }
}

const NO_NAME = "its name is not that of a world";
const NO_TRASH_ID = "its entry in the trash has no valid id";

/** Whether an error is a fault of one world, and not of the session or of this process. */
function isDamage(error: unknown): error is Error {
  if (error instanceof StoreError) return error.code === "damaged";
  return error instanceof Error && !(error instanceof SessionError);
}

function faultOf(error: Error): string {
  return error instanceof DamagedRows ? error.fault : error.message;
}

function isEmptyFolder(path: string): boolean {
  try {
    return Deno.readDirSync(path)[Symbol.iterator]().next().done === true;
  } catch (error) {
    if (error instanceof Deno.errors.NotADirectory) return false;
    throw error;
  }
}
