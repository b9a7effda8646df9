/**
 * Exports the database into a new data folder: all worlds with their chains and earlier versions, the
 * trash, the marks of collections and the ledger of names, as one consistent state. The rows are taken as
 * they are, so every HMAC stays valid under the same key; the folder gets no key. After an error there is
 * no folder.
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
import { toFolderName } from "../name.ts";
import { setJournalFormat } from "../sqlite_header.ts";
import { isTrashId, type TrashRecord } from "../trash.ts";
import {
  type QueryRow,
  type QuerySession,
  type QuerySessions,
  readConsistently,
} from "./query_sessions.ts";
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

/** What an export has written. */
export interface StoreExportResult {
  readonly worlds: number;
  readonly trashed: number;
  readonly marks: number;
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
      return { ...counts, marks: await this.#writeMarks() };
    } finally {
      this.#ledger.close();
    }
  }

  async #writeWorlds(): Promise<{ worlds: number; trashed: number }> {
    const [count] = await this.#session.query(COUNT, []);
    const total = Number(count?.count);
    const done = { worlds: 0, trashed: 0 };
    for (let last = 0;;) {
      const rows = await this.#session.query(WORLDS, [last]);
      const records: TrashRecord[] = [];
      for (const row of rows) {
        this.#signal.throwIfAborted();
        this.#options.onProgress?.(done.worlds + done.trashed, total);
        last = Number(row.id);
        if (row.name === null) records.push(toTrashRecord(row));
        await this.#writeWorld(row);
        done[row.name === null ? "trashed" : "worlds"] += 1;
      }
      if (records.length > 0) {
        this.#ledger.withoutSync(() => records.forEach((row) => this.#ledger.trash.save(row)));
      }
      if (rows.length < ROWS_PER_QUERY) break;
    }
    this.#options.onProgress?.(total, total);
    return done;
  }

  async #writeWorld(row: QueryRow): Promise<void> {
    const folder = this.#folderOf(row);
    const db = new DatabaseSync(":memory:");
    try {
      const options = { versions: Infinity, signal: this.#signal };
      const begin = () => new WorldCopy(db);
      await writeStoredWorld(this.#session, Number(row.id), begin, options);
      const image = new Uint8Array(db.serialize());
      setJournalFormat(image, "wal");
      Deno.mkdirSync(folder, { recursive: true, mode: 0o700 });
      writeSynced(`${folder}/${WORLD_FILE}`, image);
      syncFolder(folder);
    } finally {
      db.close();
    }
  }

  #folderOf({ name, trash, trashed_name }: QueryRow): string {
    if (name !== null) return `${this.#data}/${toFolderName(String(name))}`;
    const id = String(trash);
    if (!isTrashId(id)) {
      throw new StoreExportError(`Cannot export: ${id} is not an id of the trash`);
    }
    return `${this.#data}/${TRASH_FOLDER}/${id}/${toFolderName(String(trashed_name))}`;
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

function isEmptyFolder(path: string): boolean {
  try {
    return Deno.readDirSync(path)[Symbol.iterator]().next().done === true;
  } catch (error) {
    if (error instanceof Deno.errors.NotADirectory) return false;
    throw error;
  }
}
