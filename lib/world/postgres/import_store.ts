/**
 * Imports a data folder into the database: all worlds with their chains and earlier versions, the trash,
 * the marks of collections and the ledger of names. The rows are taken as they are, so every HMAC stays
 * valid under the same key. The folder is not changed, and no server may use it at the same time.
 *
 * Each world is one transaction, and an import that was stopped can be repeated: what is in the database
 * is left alone. At the end, the events get their places in the order of all changes, by their times.
 */

import { createChainSigner } from "../event_chain.ts";
import {
  assertHasWorlds,
  listWorldFolders,
  lockDataFolderForReading,
} from "../file/data_folder.ts";
import { pathExists, TRASH_FOLDER, tryRemove, WORLD_FILE } from "../file/durable_fs.ts";
import type { WorldFault } from "../file/verify_world.ts";
import { isDataFolder } from "../file/signing_keys.ts";
import { fromFolderName } from "../name.ts";
import { StoreError } from "../store.ts";
import { isTrashId } from "../trash.ts";
import { publishImported } from "./import_order.ts";
import { type ImportedDeletion, saveName, writeImportedWorld } from "./import_rows.ts";
import { ImportedWorld, type WorldFileReaderOptions } from "./import_world.ts";
import { type FolderFacts, readFolderFacts } from "./folder_facts.ts";
import { keyCheckOf } from "./machine.ts";
import type { QuerySession, QuerySessions } from "./query_sessions.ts";
import { SessionError } from "./session.ts";

/** How a folder is imported. */
export interface StoreImportOptions {
  /** Path of the data folder. */
  readonly data: string;
  /** Sessions that can change the database. */
  readonly sessions: QuerySessions;
  /** The key of the store, which is that of the folder. */
  readonly key: string;
  /** Keys that signed earlier events of the folder, oldest first; the store signs these events again. */
  readonly retiredKeys?: readonly string[];
  /** Whether only T3 can read a world. */
  readonly isRestricted: (name: string) => boolean;
  readonly onProgress?: (done: number, total: number) => void;
  readonly signal?: AbortSignal;
}

/** What an import has done. Worlds in the trash have the name `id/name`. */
export interface StoreImportResult {
  /** Worlds that were imported, and those of them in the trash. */
  readonly worlds: readonly string[];
  readonly trashed: readonly string[];
  /** Number of worlds that the database had already. */
  readonly same: number;
  /** Names that have, or had, another world in the database. */
  readonly conflicts: readonly string[];
  /** Worlds that were imported and do not verify. */
  readonly broken: readonly { readonly name: string; readonly faults: readonly WorldFault[] }[];
  /** Worlds that were not imported. */
  readonly rejected: readonly { readonly name: string; readonly reason: string }[];
  /** Names of worlds that were not imported because another key signed their chains. */
  readonly otherKey: readonly string[];
  /** Events that got their places in the order of all changes. */
  readonly events: number;
  /** Collections without worlds. */
  readonly marks: number;
}

/** The folder cannot be imported. The message is for the operator. */
export class StoreImportError extends Error {
  override readonly name = "StoreImportError";
}

/** A file of a world in the folder. */
interface Found {
  readonly name: string;
  readonly path: string;
  /** Id of its entry in the trash. */
  readonly trash?: string;
}

/** Worlds that are written at the same time. */
const WRITERS = 4;

const LOCK_KEY = `SELECT pg_advisory_xact_lock_shared(7021)`;
const OTHER_KEY = `SELECT 1 AS found FROM elastik.machine WHERE key_check <> $1`;
const MARK = `SELECT elastik.mark_1($1, true, NULL, NULL) AS is_new`;

/**
 * Imports a folder.
 *
 * @throws {DataFolderBusy} if a server uses the folder
 * @throws {StoreImportError} if the folder must be opened by a server first, no chain fits the key, or the
 * store has another key
 * @throws the reason of the signal if it was aborted; what was imported until then stays
 */
export async function importIntoStore(options: StoreImportOptions): Promise<StoreImportResult> {
  const release = lockDataFolderForReading(options.data);
  const scratch = new ScratchFolder();
  try {
    return await new StoreImport(options, scratch).run();
  } finally {
    scratch.remove();
    release();
  }
}

/** One import. */
class StoreImport {
  readonly #options: StoreImportOptions;
  readonly #reader: WorldFileReaderOptions;
  readonly #facts: FolderFacts;
  readonly #worlds: string[] = [];
  readonly #trashed: string[] = [];
  #same = 0;
  readonly #conflicts: string[] = [];
  readonly #broken: { name: string; faults: readonly WorldFault[] }[] = [];
  readonly #rejected: { name: string; reason: string }[] = [];
  readonly #otherKey: string[] = [];

  constructor(options: StoreImportOptions, scratch: ScratchFolder) {
    this.#options = options;
    const { key, retiredKeys, isRestricted, data } = options;
    const signers = { from: createChainSigner(key, retiredKeys), to: createChainSigner(key) };
    this.#reader = { signers, isRestricted, scratchFolder: () => scratch.path };
    this.#facts = readFolderFacts(data, () => scratch.path);
    if (this.#facts.moves === 0) return;
    throw new StoreImportError(
      `Cannot import ${data}: ${this.#facts.moves} moves of worlds are not complete; start a server ` +
        "with this folder and stop it, then import",
    );
  }

  async run(): Promise<StoreImportResult> {
    const { data, sessions, onProgress, signal } = this.#options;
    assertHasWorlds(data);
    const found = [...this.#findWorlds(data), ...this.#findTrash(data)];
    const { names, marks: collections } = this.#facts;
    const count = found.length + this.#rejected.length + names.size + collections.length;
    if (count === 0 && !isDataFolder(data)) {
      throw new StoreImportError(
        `Cannot import ${data}: it is not a data folder: it has no worlds and no files of a server`,
      );
    }
    let done = 0;
    const files = found.values();
    // A file is read while others are being written.
    const importSome = async () => {
      for (const file of files) {
        signal?.throwIfAborted();
        await this.#importFile(file);
        onProgress?.(++done, found.length);
      }
    };
    const writers = Array.from({ length: WRITERS }, importSome);
    // The sessions must not be in use after an error.
    await Promise.allSettled(writers);
    await Promise.all(writers);
    for (const names of [this.#worlds, this.#trashed, this.#conflicts, this.#otherKey]) {
      names.sort();
    }
    if (this.#otherKey.length > 0 && this.#otherKey.length === found.length) {
      throw new StoreImportError(
        `Cannot import ${data}: none of its ${found.length} chains fits the key; set ELASTIK_KEY to the ` +
          "key that signed them",
      );
    }
    const marks = await this.#saveFacts();
    const events = await sessions.use(publishImported);
    return {
      worlds: this.#worlds,
      trashed: this.#trashed,
      same: this.#same,
      conflicts: this.#conflicts,
      broken: this.#broken,
      rejected: this.#rejected,
      otherKey: this.#otherKey,
      events,
      marks,
    };
  }

  *#findWorlds(data: string): Generator<Found, void> {
    for (const folder of listWorldFolders(data)) {
      const path = `${data}/${folder}/${WORLD_FILE}`;
      if (!pathExists(path)) continue;
      const name = fromFolderName(folder);
      if (name !== undefined) yield { name, path };
      else this.#reject(folder, "its folder name is not the encoding of a world name");
    }
  }

  *#findTrash(data: string): Generator<Found, void> {
    const bin = `${data}/${TRASH_FOLDER}`;
    if (!pathExists(bin)) return;
    for (const trash of listWorldFolders(bin).filter(isTrashId)) {
      for (const folder of listWorldFolders(`${bin}/${trash}`)) {
        const name = fromFolderName(folder);
        const path = `${bin}/${trash}/${folder}/${WORLD_FILE}`;
        if (name !== undefined && pathExists(path)) yield { name, path, trash };
      }
    }
  }

  async #importFile({ name, path, trash }: Found): Promise<void> {
    const shown = trash === undefined ? name : `${trash}/${name}`;
    let world: ImportedWorld;
    try {
      world = ImportedWorld.read(path, name, this.#reader);
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) throw error;
      return this.#reject(shown, error instanceof Error ? error.message : String(error));
    }
    try {
      if (world.hasOtherKey) return void this.#otherKey.push(shown);
      const id = trash ?? (world.isDeleted ? this.#facts.names.get(name)?.trash : undefined);
      if (id === "") return this.#reject(shown, "it is deleted and has no entry in the trash");
      const outcome = await this.#options.sessions.use((session) =>
        writeImportedWorld(
          session,
          world,
          this.#deletionOf(id, world),
          this.#facts.names.get(name),
          (session) => this.#assertKey(session),
        )
      );
      if (outcome === "same") this.#same += 1;
      if (outcome === "conflict") this.#conflicts.push(shown);
      if (outcome !== "imported") return;
      (id === undefined ? this.#worlds : this.#trashed).push(shown);
      // A world in the trash has events after those that the row has.
      const faults = id === undefined ? world.faults : world.faults.filter(isFaultInTrash);
      if (faults.length > 0) this.#broken.push({ name: shown, faults });
    } catch (error) {
      // A part of the file is missing, or the database does not take a value.
      const isFault = error instanceof StoreError && error.code === "damaged" ||
        error instanceof SessionError && /^22/.test(error.code);
      if (!isFault) throw error;
      this.#reject(shown, error.message);
    } finally {
      world.close();
    }
  }

  /**
   * The key can be replaced while an import runs. The command that does so waits for the transactions that
   * have the lock.
   */
  async #assertKey(session: QuerySession): Promise<void> {
    const { key, data } = this.#options;
    const [, [other]] = await Promise.all([
      session.query(LOCK_KEY),
      session.query(OTHER_KEY, [keyCheckOf(key)]),
    ]);
    if (other === undefined) return;
    throw new StoreImportError(
      `Cannot import ${data}: the store has another key now; set ELASTIK_KEY to it, and import again`,
    );
  }

  #deletionOf(id: string | undefined, world: ImportedWorld): ImportedDeletion | undefined {
    if (id === undefined) return undefined;
    const known = this.#facts.trash.get(`${id}/${world.name}`);
    if (known !== undefined) return known;
    const { deletedAt, by } = world.end;
    return { id, deletedAt, by };
  }

  #reject(name: string, reason: string): void {
    this.#rejected.push({ name, reason });
  }

  /** Saves the ledger of names and the marks; returns the number of new marks. */
  async #saveFacts(): Promise<number> {
    const { names, marks } = this.#facts;
    let count = 0;
    await this.#options.sessions.use(async (session) => {
      for (const [name, last] of names) await saveName(session, name, last);
      for (const name of marks) {
        const [row] = await session.query(MARK, [name]);
        if (row?.is_new === true) count += 1;
      }
    });
    return count;
  }
}

function isFaultInTrash({ check, reason }: WorldFault): boolean {
  return check === "chain" || check === "history" && /^the bytes of version /.test(reason);
}

/** A temporary folder that is created when it is needed. */
class ScratchFolder {
  #path: string | undefined;

  get path(): string {
    return this.#path ??= Deno.makeTempDirSync({ prefix: "elastik-import-" });
  }

  remove(): void {
    if (this.#path !== undefined) tryRemove(this.#path);
  }
}
