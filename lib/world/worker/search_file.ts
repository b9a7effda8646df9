/**
 * The search index on disk: the texts of all worlds, and a full-text index of their sequences of three
 * characters. The file is derived data: each world has the stamp of the version that was indexed, and
 * a lost or damaged file is created again. What a change adds can be found at once; it is added to the
 * full-text index later, because that costs more time than the change itself.
 */

import { DatabaseSync } from "node:sqlite";
import { SEARCH_STEP_MS } from "../../search_limits.ts";
import { pathExists, tryRemove } from "../file/durable_fs.ts";
import { assertRegularFiles } from "../file/regular_files.ts";
import type {
  SearchEntry,
  SearchFileCounts,
  SearchPage,
  SearchQuery,
  SearchUpdateResult,
} from "../search.ts";
import { FORM } from "../search_form.ts";
import { toSearchStamp } from "../search_stamp.ts";
import { toStoreError } from "../sqlite_errors.ts";
import { StoreError } from "../store.ts";
import type { ReadResult } from "../store/worker_messages.ts";
import { searchInSteps } from "./search_run.ts";
import { SearchSet } from "./search_set.ts";
import * as sql from "./search_sql.ts";

/** File name of the search index in the data folder. */
export const SEARCH_FILE = ".search.db";

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Reads the current version of a world; undefined if it does not exist. */
export type ReadWorld = (name: string) => ReadResult | undefined;

interface OpenFile {
  readonly db: DatabaseSync;
  readonly open: SearchSet;
  readonly restricted: SearchSet;
}

/** The search index of one data folder. */
export class SearchFile {
  readonly #path: string;
  readonly #unicode: string;
  readonly #beforeCreate: () => void;
  #file: OpenFile | undefined;
  /** Names in the index that were not in any update since it was opened. */
  #unseen: Set<string> | undefined;

  /**
   * @param data path of the data folder
   * @param unicode version of Unicode of this process; an index of another version is created again
   * @param beforeCreate called before the file is created or replaced; throws if the folder was replaced
   */
  constructor(data: string, unicode: string, beforeCreate: () => void = () => {}) {
    this.#beforeCreate = beforeCreate;
    this.#path = `${data}/${SEARCH_FILE}`;
    this.#unicode = unicode;
  }

  /**
   * Opens the index. A file that is missing, damaged or of another version is created again.
   *
   * @param isDamaged whether a use of the file has shown that it is damaged
   */
  open(isDamaged = false): SearchFileCounts {
    this.close();
    if (!isDamaged) {
      try {
        this.#file = this.#openFile(false);
        if (this.#isComplete(this.#file)) return this.#begin(this.#file);
      } catch (error) {
        if (toStoreError(error, "").code !== "damaged") throw error;
      }
      this.close();
    }
    this.#beforeCreate();
    for (const end of ["", "-wal", "-shm"]) tryRemove(`${this.#path}${end}`);
    const file = this.#file = this.#openFile(true);
    transact(file, () => {
      file.db.exec(sql.CREATE_FACTS);
      file.db.exec(sql.OPEN.create);
      file.db.exec(sql.RESTRICTED.create);
      file.db.prepare(sql.SAVE_UNICODE).run(this.#unicode);
      file.db.exec(sql.COMPLETE_SEARCH);
    });
    return this.#begin(file);
  }

  /**
   * Brings worlds up to date. It processes entries for `SEARCH_STEP_MS` and at least one.
   *
   * @param read reads the content of a world that was not sent
   */
  update(entries: readonly SearchEntry[], read: ReadWorld): SearchUpdateResult {
    const file = this.#get();
    const needsBody: string[] = [];
    const failed: string[] = [];
    const end = performance.now() + SEARCH_STEP_MS;
    let done = 0;
    transact(file, () => {
      for (const entry of entries) {
        this.#unseen?.delete(entry.name);
        const result = updateEntry(file, entry, read);
        if (result === "needs-body") needsBody.push(entry.name);
        if (result === "failed") failed.push(entry.name);
        done += 1;
        if (performance.now() >= end) break;
      }
    });
    return { done, needsBody, failed, counts: this.#counts(file) };
  }

  /**
   * Removes the worlds that were in no update since the index was opened. To be called once, after
   * an update of each world.
   */
  removeUnseen(): SearchFileCounts {
    const file = this.#get();
    const names = this.#unseen ?? [];
    transact(file, () => {
      for (const name of names) {
        file.open.remove(name);
        file.restricted.remove(name);
      }
    });
    this.#unseen = undefined;
    return this.#counts(file);
  }

  /** Adds texts that wait to the full-text index, for `SEARCH_STEP_MS` and at least one. */
  indexSome(): SearchFileCounts {
    const file = this.#get();
    const end = performance.now() + SEARCH_STEP_MS;
    transact(file, () => {
      while (file.open.indexOne() || file.restricted.indexOne()) {
        if (performance.now() >= end) break;
      }
    });
    return this.#counts(file);
  }

  /** Searches, in steps; other jobs can run between two of them. */
  search(query: SearchQuery): Generator<void, SearchPage> {
    const { open, restricted } = this.#get();
    return searchInSteps(query, open, restricted);
  }

  /** Closes the file if it is open. */
  close(): void {
    this.#file?.db.close();
    this.#file = undefined;
  }

  #get(): OpenFile {
    if (this.#file !== undefined) return this.#file;
    // What other processes left is compared with the worlds when the store opens the index.
    const file = this.#file = this.#openFile(false);
    if (!this.#isComplete(file)) {
      this.close();
      throw new StoreError("damaged", "Cannot use the search index: it is not complete");
    }
    file.open.recount();
    file.restricted.recount();
    return file;
  }

  #begin(file: OpenFile): SearchFileCounts {
    file.open.recount();
    file.restricted.recount();
    this.#unseen = new Set([...file.open.names(), ...file.restricted.names()]);
    return this.#counts(file);
  }

  /**
   * @param isNew whether the file is created; a Worker that was suspended must not create one in a folder
   * that has replaced the data folder
   * @throws {StoreError} `damaged` if it does not exist and is not created
   */
  #openFile(isNew: boolean): OpenFile {
    assertRegularFiles(this.#path);
    if (!isNew && !pathExists(this.#path)) {
      throw new StoreError("damaged", "Cannot use the search index: it does not exist");
    }
    // The texts of all worlds are in the file. SQLite gives its log the mode of the file.
    Deno.openSync(this.#path, { write: true, create: isNew, mode: 0o600 }).close();
    const db = new DatabaseSync(this.#path);
    try {
      db.exec(sql.SEARCH_SETUP);
    } catch (error) {
      db.close();
      throw error;
    }
    const open = new SearchSet(db, sql.OPEN);
    return { db, open, restricted: new SearchSet(db, sql.RESTRICTED) };
  }

  #isComplete({ db }: OpenFile): boolean {
    const version = Number(db.prepare(sql.READ_SEARCH_VERSION).get()?.user_version);
    if (version !== sql.SEARCH_VERSION) return false;
    return db.prepare(sql.SELECT_UNICODE).get()?.value === this.#unicode;
  }

  #counts({ open, restricted }: OpenFile): SearchFileCounts {
    return {
      worlds: open.worlds + restricted.worlds,
      waitingChars: open.waitingChars + restricted.waitingChars,
      bytes: sizeOf(this.#path) + sizeOf(`${this.#path}-wal`),
    };
  }
}

type UpdateResult = "done" | "needs-body" | "failed";

function updateEntry(file: OpenFile, entry: SearchEntry, read: ReadWorld): UpdateResult {
  const { name, restricted, stamp, version, isTooLong, redacted } = entry;
  const own = restricted ? file.restricted : file.open;
  const other = restricted ? file.open : file.restricted;
  if (stamp === "") {
    own.remove(name);
    other.remove(name);
    return "done";
  }
  if (redacted !== undefined) {
    const world = { name, stamp, version, isTooLong };
    file.open.put({ ...world, form: FORM.redacted, ...textOf(redacted) });
    file.restricted.put({ ...world, form: FORM.original, ...textOf(entry.body) });
    return "done";
  }
  if (own.has(name, stamp, FORM.all)) return "done";
  if (isTooLong || entry.body !== undefined) {
    own.put({ name, stamp, version, isTooLong, form: FORM.all, ...textOf(entry.body) });
    other.remove(name);
    return "done";
  }
  if (entry.needsBody) return own.has(name, stamp, FORM.redacted) ? "done" : "needs-body";
  const found = tryRead(name, stamp, read);
  if (found === "failed") return "failed";
  if (found === undefined) own.remove(name);
  else own.put({ name, form: FORM.all, isTooLong: false, ...found });
  other.remove(name);
  return "done";
}

/** Reads a world. One whose file is damaged has no text; it is read again after its next change. */
function tryRead(
  name: string,
  stamp: string,
  read: ReadWorld,
): { stamp: string; version: number; text?: string } | "failed" | undefined {
  try {
    const found = read(name);
    if (found === undefined) return undefined;
    const { version, updatedAt, body } = found;
    return { stamp: toSearchStamp(version, updatedAt), version, ...textOf(body) };
  } catch (error) {
    const { code } = toStoreError(error, name);
    return code === "damaged" ? { stamp, version: 0 } : "failed";
  }
}

/** The text of a content, if it is text: valid UTF-8, as for the JSON of a world. */
function textOf(body: Uint8Array | undefined): { text?: string } {
  if (body === undefined) return {};
  try {
    return { text: utf8.decode(body) };
  } catch {
    return {}; // not text
  }
}

function transact(file: OpenFile, change: () => void): void {
  file.db.exec("BEGIN IMMEDIATE");
  try {
    change();
    file.db.exec("COMMIT");
  } catch (error) {
    if (file.db.isTransaction) file.db.exec("ROLLBACK");
    file.open.recount();
    file.restricted.recount();
    throw error;
  }
}

function sizeOf(path: string): number {
  try {
    return Deno.statSync(path).size;
  } catch {
    return 0; // SQLite creates its log with the first change
  }
}
