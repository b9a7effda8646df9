/**
 * Backs up a data folder into a folder that holds an earlier backup, also while its server runs. Only
 * worlds whose files have changed since are copied, each as one consistent state, and every copy is read
 * back and verified. A world that was deleted is kept apart. It only reads the data folder. A run that
 * is interrupted leaves a complete earlier or a complete new copy of each world.
 */

import { DatabaseSync } from "node:sqlite";
import { dirname, join, relative, resolve } from "node:path";
import { sha256Hex } from "../base/hash.ts";
import { createChainSigner } from "../world/event_chain.ts";
import { fromFolderName } from "../world/name.ts";
import { copyWorld } from "../world/file/copy_world.ts";
import { acquireDataFolder, DataFolderBusy } from "../world/file/data_folder.ts";
import {
  COLLECTIONS_FILE,
  LEDGER_FILE,
  pathExists,
  replaceFile,
  syncFolder,
  TRASH_FOLDER,
  tryRemove,
  WORLD_FILE,
} from "../world/file/durable_fs.ts";
import { readFileState } from "../world/file/file_state.ts";
import { withOfflineFile } from "../world/file/offline_file.ts";
import { KEY_FILE, readSigningKeys, RETIRED_KEYS_FILE } from "../world/file/signing_keys.ts";
import * as sql from "../world/file/sql.ts";
import { verifyWorld, type WorldFault } from "../world/file/verify_world.ts";
import { BackupError, BackupFolder, listBins, timeOfId } from "./backup_folder.ts";
import { type DataWorlds, openDataWorlds } from "./data_worlds.ts";
import { toFileImage } from "./export_data.ts";

/** How a folder is backed up. */
export interface BackupOptions {
  /** Path of the data folder. */
  readonly data: string;
  /** Path of the backup. */
  readonly into: string;
  /** `ELASTIK_KEY`; if undefined, the key of the folder is used. */
  readonly key: string | undefined;
  /** Whether the signing key of the folder and the retired ones are included. */
  readonly withKey: boolean;
  /** Earlier versions of each world that are included. */
  readonly versions: number;
  /** Deleted worlds are kept for this long, in milliseconds; for ever if absent. */
  readonly keepMs?: number | undefined;
  readonly onProgress?: (done: number, total: number) => void;
  readonly signal?: AbortSignal;
}

/** The result of a backup. */
export interface BackupResult {
  /** Worlds in the backup. */
  readonly worlds: number;
  /** Worlds that were copied, because they are new or have changed. */
  readonly copied: number;
  /** Deleted worlds that were added. */
  readonly deleted: number;
  /** Deleted worlds that were dropped, because their time was over. */
  readonly dropped: number;
  /** A server held the folder during the backup. */
  readonly isLive: boolean;
  /** The backup has the signing key. */
  readonly includesKey: boolean;
  /** The data folder has retired keys; the backup has them unless keys are left out. */
  readonly hasRetiredKeys: boolean;
  /** Worlds that could not be copied; an earlier copy is kept. */
  readonly damaged: readonly { readonly folder: string; readonly reason: string }[];
  /** Worlds that were copied and do not verify, because the source does not. */
  readonly broken: readonly { readonly name: string; readonly faults: readonly WorldFault[] }[];
}

/** Worlds whose files are looked at at the same time. */
const WORLDS_PER_TURN = 64;

/**
 * Backs up a data folder.
 *
 * @throws {BackupError} if the target cannot be a backup, or is in use
 * @throws {Deno.errors.NotFound} if there is no such data folder
 * @throws the reason of the signal if it was aborted, and any error of the file system
 */
export async function backupData(options: BackupOptions): Promise<BackupResult> {
  assertApart(options.data, options.into);
  const worlds = openDataWorlds(options.data);
  try {
    const backup = new BackupFolder(options.into);
    backup.create();
    const target = lockBackup(backup);
    try {
      return await new Backup(backup, worlds, options).run();
    } finally {
      target.release();
    }
  } finally {
    worlds.close();
  }
}

/** Refuses a backup in its source, or a source in the backup. */
function assertApart(data: string, into: string): void {
  const source = Deno.realPathSync(data);
  const wanted = resolve(into);
  let parent = wanted;
  while (!pathExists(parent)) parent = dirname(parent);
  const target = join(Deno.realPathSync(parent), relative(parent, wanted));
  if (!`${target}/`.startsWith(`${source}/`) && !`${source}/`.startsWith(`${target}/data/`)) return;
  throw new BackupError(
    `Cannot back up ${data} into ${into}: one is inside the other; name another folder`,
  );
}

function lockBackup({ data, path }: BackupFolder): { release(): void } {
  try {
    return acquireDataFolder(data);
  } catch (error) {
    if (!(error instanceof DataFolderBusy)) throw error;
    throw new BackupError(
      `Cannot back up into ${path}: another backup or a server uses it; wait until it has ended`,
    );
  }
}

/** One run, which holds the backup. */
class Backup {
  readonly #backup: BackupFolder;
  readonly #worlds: DataWorlds;
  readonly #options: BackupOptions;
  readonly #sign;
  /** States at the earlier copies, and what is saved at the end. */
  readonly #before: ReadonlyMap<string, string>;
  readonly #states = new Map<string, string>();
  /** The first event of each chain that was copied in this run. */
  readonly #chains = new Set<string>();
  readonly #damaged: { folder: string; reason: string }[] = [];
  readonly #broken: { name: string; faults: readonly WorldFault[] }[] = [];
  /** Id of the worlds that this run takes out of the latest ones. */
  readonly #goneId = `gone-${new Date().toISOString().replaceAll(/[-:.]/g, "")}`;
  #copied = 0;
  #setAsideCount = 0;
  #scratch: string | undefined;

  constructor(backup: BackupFolder, worlds: DataWorlds, options: BackupOptions) {
    this.#backup = backup;
    this.#worlds = worlds;
    this.#options = options;
    const { key = "", retired } = readSigningKeys(options.data, options.key);
    this.#sign = createChainSigner(key, retired);
    this.#before = backup.readStates();
  }

  async run(): Promise<BackupResult> {
    const { withKey, data } = this.#options;
    try {
      // Also before the worlds: without its key, what an interrupted run has copied cannot be verified.
      this.#copyKeys();
      const kept = await this.#copyWorlds();
      const fromTrash = this.#copyTrash();
      this.#moveVanished(kept);
      const deleted = fromTrash + this.#setAsideCount;
      const dropped = this.#dropOld();
      this.#copyKeys();
      this.#copyFile(COLLECTIONS_FILE);
      this.#copyLedger();
      syncFolder(this.#backup.data);
      this.#backup.markComplete();
      return {
        worlds: kept.size,
        copied: this.#copied,
        deleted,
        dropped,
        isLive: this.#worlds.isLive,
        hasRetiredKeys: pathExists(`${data}/${RETIRED_KEYS_FILE}`),
        includesKey: withKey && pathExists(`${data}/${KEY_FILE}`),
        damaged: this.#damaged,
        broken: this.#broken,
      };
    } finally {
      // Also after an interruption: what was copied is not copied again.
      this.#backup.saveStates(this.#states);
      if (this.#scratch !== undefined) Deno.removeSync(this.#scratch, { recursive: true });
    }
  }

  #copyKeys(): void {
    // The retired keys first: no key that has signed an event is missing at any moment.
    for (const file of [RETIRED_KEYS_FILE, KEY_FILE]) {
      if (this.#options.withKey) this.#copyFile(file);
      else tryRemove(`${this.#backup.data}/${file}`);
    }
  }

  /** Copies what has changed. Returns the folders that the backup must have. */
  async #copyWorlds(): Promise<Set<string>> {
    const { data, signal, onProgress } = this.#options;
    const { folders } = this.#worlds;
    const kept = new Set<string>();
    let done = 0;
    try {
      for (let at = 0; at < folders.length; at += WORLDS_PER_TURN) {
        const turn = folders.slice(at, at + WORLDS_PER_TURN);
        const states = await Promise.all(
          turn.map((folder) => readFileState(`${data}/${folder}/${WORLD_FILE}`)),
        );
        for (const [i, folder] of turn.entries()) {
          signal?.throwIfAborted();
          onProgress?.(done, folders.length);
          done += 1;
          if (await this.#keep(folder, states[i]?.text ?? "")) kept.add(folder);
        }
      }
    } catch (error) {
      // What was not looked at keeps its state.
      for (const folder of folders.slice(done)) {
        const state = this.#before.get(folder);
        if (state !== undefined) this.#states.set(folder, state);
      }
      throw error;
    }
    onProgress?.(done, folders.length);
    return kept;
  }

  /**
   * Copies a world if its file is not in the state of the earlier copy.
   *
   * @param state the present state of its file
   * @returns whether the backup must have it
   */
  async #keep(folder: string, state: string): Promise<boolean> {
    const target = `${this.#backup.data}/${folder}/${WORLD_FILE}`;
    if (this.#before.get(folder) === state && pathExists(target)) {
      this.#states.set(folder, state);
      return true;
    }
    const before = this.#damaged.length + this.#broken.length;
    if (!this.#copyWorld(folder)) return false;
    // The next run reports it again.
    if (this.#damaged.length + this.#broken.length > before) return true;
    // The copy is of this state only if the file is still in it.
    const after = await readFileState(`${this.#options.data}/${folder}/${WORLD_FILE}`);
    if (after.text === state && after.isSettled) this.#states.set(folder, state);
    return true;
  }

  /** Copies a world of the data folder. Returns false if the backup must not have it. */
  #copyWorld(folder: string): boolean {
    const target = `${this.#backup.data}/${folder}`;
    try {
      const last = this.#lastEventOf(target);
      let continues = true;
      const image = this.#worlds.read(
        folder,
        (db) =>
          this.#imageOf(db, (copy) => {
            continues = last === undefined ||
              copy.prepare(sql.HMAC_OF_EVENT).get(last.id)?.hmac === last.hmac;
          }),
      );
      if (image === undefined) return false;
      if (!continues) this.#setAside(folder);
      this.#place(target, folder, image);
      this.#copied += 1;
      return true;
    } catch (error) {
      if (isSystemError(error)) throw error;
      const reason = error instanceof Error ? error.message : String(error);
      this.#damaged.push({ folder, reason });
      return pathExists(`${target}/${WORLD_FILE}`);
    }
  }

  /** The last event of the earlier copy; undefined if there is none. */
  #lastEventOf(path: string): { id: number; hmac: string } | undefined {
    if (!pathExists(`${path}/${WORLD_FILE}`)) return undefined;
    try {
      const row = this.#open(path, (db) => db.prepare(sql.LAST_EVENT).get());
      return { id: Number(row?.id), hmac: String(row?.hmac) };
    } catch {
      return undefined; // damaged: it is replaced
    }
  }

  /**
   * Keeps an earlier copy that the new one does not continue: the world was deleted and created again,
   * or its file was replaced.
   */
  #setAside(folder: string): void {
    const bin = `${this.#backup.deleted}/${this.#goneId}`;
    Deno.mkdirSync(bin, { recursive: true, mode: 0o700 });
    Deno.renameSync(`${this.#backup.data}/${folder}`, `${bin}/${folder}`);
    syncFolder(bin);
    this.#setAsideCount += 1;
  }

  #imageOf(
    from: DatabaseSync,
    use: (copy: DatabaseSync) => void = () => {},
  ): Uint8Array<ArrayBuffer> {
    const to = new DatabaseSync(":memory:");
    try {
      copyWorld(from, to, { versions: this.#options.versions });
      const first = to.prepare(sql.FIRST_EVENT).get()?.hmac;
      if (typeof first === "string") this.#chains.add(first);
      use(to);
      return toFileImage(to);
    } finally {
      to.close();
    }
  }

  /** Replaces the copy of a world, reads it back and verifies it. */
  #place(target: string, folder: string, image: Uint8Array<ArrayBuffer>): void {
    Deno.mkdirSync(target, { recursive: true, mode: 0o700 });
    replaceFile(`${target}/${WORLD_FILE}`, image);
    syncFolder(target);
    const written = Deno.readFileSync(`${target}/${WORLD_FILE}`);
    if (sha256Hex(written) !== sha256Hex(image)) {
      throw new BackupError(
        `Cannot back up into ${this.#options.into}: ${folder} does not have the bytes that were written; ` +
          "check the disk",
      );
    }
    const name = fromFolderName(folder);
    if (name === undefined) return;
    const { faults } = this.#open(target, (db) => verifyWorld(db, name, this.#sign));
    if (faults.length > 0) this.#broken.push({ name, faults });
  }

  #open<T>(folder: string, use: (db: DatabaseSync) => T): T {
    const scratch = () => this.#scratch ??= Deno.makeTempDirSync({ prefix: "elastik-backup-" });
    return withOfflineFile(`${folder}/${WORLD_FILE}`, scratch, use);
  }

  /** Copies what was added to the trash since. An entry of the trash never changes. */
  #copyTrash(): number {
    let count = 0;
    for (const { id, folder, path } of listBins(`${this.#options.data}/${TRASH_FOLDER}`)) {
      const target = `${this.#backup.deleted}/${id}/${folder}`;
      if (pathExists(`${target}/${WORLD_FILE}`)) continue;
      try {
        this.#place(target, folder, this.#open(path, (db) => this.#imageOf(db)));
        count += 1;
      } catch (error) {
        // The server restored the world, or its time in the trash is over.
        if (!pathExists(`${path}/${WORLD_FILE}`)) continue;
        if (isSystemError(error)) throw error;
        const reason = error instanceof Error ? error.message : String(error);
        this.#damaged.push({ folder: `${TRASH_FOLDER}/${id}/${folder}`, reason });
      }
    }
    return count;
  }

  /**
   * Takes the worlds that the source does not have any more out of the latest worlds. One whose chain
   * was copied in this run, because it was deleted or moved, is there already.
   */
  #moveVanished(kept: ReadonlySet<string>): void {
    for (const { name: folder, isDirectory } of [...Deno.readDirSync(this.#backup.data)]) {
      if (!isDirectory || folder.startsWith(".") || kept.has(folder)) continue;
      const path = `${this.#backup.data}/${folder}`;
      if (this.#hasChain(path)) {
        Deno.removeSync(path, { recursive: true });
      } else this.#setAside(folder);
    }
  }

  #hasChain(path: string): boolean {
    try {
      const first = this.#open(path, (db) => db.prepare(sql.FIRST_EVENT).get()?.hmac);
      return typeof first === "string" && this.#chains.has(first);
    } catch {
      return false; // damaged or incomplete: it is kept
    }
  }

  #dropOld(): number {
    const { keepMs } = this.#options;
    if (keepMs === undefined) return 0;
    let count = 0;
    for (const { id, path } of this.#backup.listDeleted()) {
      const at = timeOfId(id);
      if (at === undefined || at + keepMs > Date.now()) continue;
      Deno.removeSync(path, { recursive: true });
      removeIfEmpty(`${this.#backup.deleted}/${id}`);
      count += 1;
    }
    return count;
  }

  #copyFile(file: string): void {
    const from = `${this.#options.data}/${file}`;
    const to = `${this.#backup.data}/${file}`;
    if (!pathExists(from)) return tryRemove(to);
    const bytes = Deno.readFileSync(from);
    if (!pathExists(to) || sha256Hex(Deno.readFileSync(to)) !== sha256Hex(bytes)) {
      replaceFile(to, bytes);
    }
  }

  /** Copies the last version of each name, so that a restored server uses no version twice. */
  #copyLedger(): void {
    const from = `${this.#options.data}/${LEDGER_FILE}`;
    if (!pathExists(from)) return;
    const to = new DatabaseSync(":memory:");
    try {
      to.exec(sql.CREATE_LEDGER);
      const add = to.prepare(sql.SAVE_LAST_USE);
      const ledger = new DatabaseSync(from, { readOnly: true });
      try {
        for (const { name, version, updated_at } of ledger.prepare(sql.SELECT_USES).all()) {
          add.run(String(name), Number(version), String(updated_at), "");
        }
      } finally {
        ledger.close();
      }
      replaceFile(`${this.#backup.data}/${LEDGER_FILE}`, toFileImage(to));
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      this.#damaged.push({ folder: LEDGER_FILE, reason });
    } finally {
      to.close();
    }
  }
}

function removeIfEmpty(path: string): void {
  try {
    Deno.removeSync(path);
  } catch {
    // It has other worlds.
  }
}

/** Codes of errors of the target disk, for which Deno has no class (2.9.6). */
const DISK_ERRORS: readonly unknown[] = ["ENOSPC", "EDQUOT", "EROFS"];

/** An error of the system, such as a full disk, which would recur for the next world. */
function isSystemError(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  return error instanceof BackupError || "code" in error && DISK_ERRORS.includes(error.code) ||
    error.constructor.name in Deno.errors && !(error instanceof Deno.errors.NotFound);
}
