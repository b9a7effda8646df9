/**
 * Imports the worlds of a data folder or of an elastik v5 into a data folder that no server holds.
 * All worlds are first read, checked and written to a staging folder; then each is renamed into
 * place, so no world is ever incomplete. Existing worlds are never overwritten.
 */

import { dirname, resolve } from "node:path";
import {
  acquireDataFolder,
  type DataFolder,
  DataFolderBusy,
  listWorldFolders,
  lockDataFolderForReading,
} from "../world/file/data_folder.ts";
import {
  COLLECTIONS_FILE,
  INCOMING_FOLDER,
  pathExists,
  replaceFile,
  syncFolder,
  tryRemove,
  WORLD_FILE,
  writeSynced,
} from "../world/file/durable_fs.ts";
import { isDataFolder, KEY_FILE, readSigningKeys } from "../world/file/signing_keys.ts";
import { nameFault, toFolderName } from "../world/name.ts";
import type { WorldFault } from "../world/file/verify_world.ts";
import { type AuthorityKind, type ImportAuthority, neededAuthority } from "./import_authority.ts";
import { withUntrustedWorld } from "./untrusted_world.ts";
import { WorldImporter } from "./import_world.ts";
import type { V5ChainResult } from "./v5_chain.ts";
import { NameLedger } from "../world/file/name_ledger.ts";
import { continueNumbering } from "./continue_numbering.ts";
import { isSameWorld } from "./same_world.ts";

/** Worlds between two checks of the abort signal. */
const WORLDS_PER_ABORT_CHECK = 32;
/** Folder below a data folder for worlds whose names or contents are invalid here. */
export const ASIDE_FOLDER = ".aside";

const NUMBERING_FAULT =
  "its name has used its versions here already, and its chain does not verify, so that it cannot get a new one";

/** Nothing was imported. The message is for the operator. */
export class ImportError extends Error {
  override readonly name = "ImportError";
}

/** How worlds are imported. */
export interface ImportOptions {
  /** The folder with the worlds to import. */
  readonly source: string;
  /** The target data folder; created if missing. */
  readonly into: string;
  /** Whether the target may contain worlds already. */
  readonly merge: boolean;
  /** The key that signed the chains in `source`, if it differs from its `.key`. */
  readonly key: string | undefined;
  /** Keys that signed earlier events in `source`, oldest first, if they are not in it. */
  readonly retiredKeys?: readonly string[];
  /** Whether to adopt no signing key from `source`, even if the target has none. */
  readonly newKey: boolean;
  /** What to take in addition to plain content. */
  readonly take: ImportAuthority;
  /** `ELASTIK_KEY`, with which the server will sign. */
  readonly serverKey: string | undefined;
  /** Current time, RFC 3339 in UTC with milliseconds. */
  readonly now: string;
  readonly onProgress?: (done: number, total: number) => void;
  readonly signal?: AbortSignal;
}

/** A world that was not imported. */
export interface RejectedWorld {
  readonly folder: string;
  readonly reason: string;
  /** A copy is in {@link ASIDE_FOLDER}. */
  readonly aside: boolean;
  /** No data is lost. */
  readonly harmless: boolean;
}

/** The result of an import. Names are those in the target. */
export interface ImportResult {
  /** Worlds that were imported. */
  readonly worlds: readonly string[];
  /** Worlds that existed already with the same content as in `source`. */
  readonly same: readonly string[];
  /** Worlds that existed already with different content; they were not changed. */
  readonly conflicts: readonly string[];
  /** Worlds that were imported and do not verify. */
  readonly broken: readonly { readonly name: string; readonly faults: readonly WorldFault[] }[];
  /** Worlds that were not imported. */
  readonly rejected: readonly RejectedWorld[];
  /** Worlds of elastik v5, with the check of their chains. */
  readonly v5Worlds: readonly { readonly name: string; readonly result: V5ChainResult }[];
  /** Plugins that start with the server. */
  readonly active: readonly string[];
  /** Plugins that were active in `source` and need approval here. */
  readonly demoted: readonly string[];
  /** Worlds that were left out because they carry authority, with what their import needs. */
  readonly withheld: readonly { readonly name: string; readonly needs: AuthorityKind }[];
  /** The source has a signing key, and it was not adopted. */
  readonly withheldKey: boolean;
  /** The signing key of `source` was adopted. */
  readonly adoptedKey: boolean;
}

/**
 * Imports a folder. After an error the target is unchanged.
 *
 * @throws {ImportError} if the target holds worlds and `merge` is false, if a folder is in use, or
 * if no chain fits the key
 * @throws {InvalidSecret} if a key file is malformed
 * @throws the reason of the signal if it was aborted
 */
export async function importFolder(options: ImportOptions): Promise<ImportResult> {
  const { source, into } = options;
  assertApart(source, into);
  const release = lockDataFolderForReading(source);
  try {
    if (pathExists(into)) return await importInto(into, options);
    const staging = `${into.replace(/\/+$/, "")}.import-${crypto.randomUUID().slice(0, 8)}`;
    try {
      const imported = await importInto(staging, options);
      Deno.renameSync(staging, into);
      return imported;
    } catch (error) {
      tryRemove(staging);
      throw error;
    }
  } catch (error) {
    if (!(error instanceof DataFolderBusy)) throw error;
    throw new ImportError(error.message);
  } finally {
    release();
  }
}

/** Refuses a target in the source: the import would read what it writes. */
function assertApart(source: string, into: string): void {
  let parent = resolve(into);
  while (!pathExists(parent)) parent = dirname(parent);
  if (!`${Deno.realPathSync(parent)}/`.startsWith(`${Deno.realPathSync(source)}/`)) return;
  throw new ImportError(
    `Cannot import ${source} into ${into}: it is the same folder or inside it; name another folder`,
  );
}

async function importInto(data: string, options: ImportOptions): Promise<ImportResult> {
  const target = acquireDataFolder(data);
  try {
    if (!options.merge && listWorldFolders(data).length > 0) {
      throw new ImportError(
        `Cannot import into ${options.into}: it contains worlds already; ` +
          "name an empty folder with --into, or add to these with --merge",
      );
    }
    return await new Import(target, options).run();
  } finally {
    target.release();
  }
}

/** One import into a folder that this process holds. */
class Import {
  readonly #data: string;
  readonly #options: ImportOptions;
  readonly #stagingFolder: string;
  readonly #staged = new Set<string>();
  readonly #worlds: string[] = [];
  readonly #same: string[] = [];
  readonly #conflicts: string[] = [];
  readonly #broken: { name: string; faults: readonly WorldFault[] }[] = [];
  readonly #rejected: RejectedWorld[] = [];
  readonly #v5Worlds: { name: string; result: V5ChainResult }[] = [];
  readonly #active: string[] = [];
  readonly #demoted: string[] = [];
  readonly #withheld: { name: string; needs: AuthorityKind }[] = [];
  readonly #isMerge: boolean;
  readonly #ledger: NameLedger;
  #ownWorlds = 0;
  #scratch: string | undefined;

  constructor(target: DataFolder, options: ImportOptions) {
    this.#data = target.path;
    this.#ledger = new NameLedger(target.path);
    this.#isMerge = listWorldFolders(target.path).length > 0;
    this.#options = options;
    this.#stagingFolder = `${target.path}/${INCOMING_FOLDER}/import`;
  }

  async run(): Promise<ImportResult> {
    const { source, key, retiredKeys = [], newKey, serverKey, now } = this.#options;
    const { key: sourceKey, retired: sourceRetired } = readSigningKeys(source, undefined);
    const { key: ownKey, retired: ownRetired } = readSigningKeys(this.#data, serverKey);
    const hasKeys = sourceKey !== undefined || sourceRetired.length > 0;
    const adoptedKey = newKey ? undefined : sourceKey;
    const targetKey = ownKey ?? adoptedKey ?? crypto.getRandomValues(new Uint8Array(32)).toHex();
    const importer = new WorldImporter({
      sourceKey: key ?? sourceKey ?? targetKey,
      // Without keys in it, it can be a copy of this folder from before a rotation.
      retiredKeys: retiredKeys.length > 0 ? retiredKeys : hasKeys ? sourceRetired : ownRetired,
      targetKey,
      v5Key: key,
      keepActive: this.#options.take.plugins,
      now,
    });
    try {
      Deno.mkdirSync(this.#stagingFolder, { recursive: true, mode: 0o700 });
      await this.#readAll(importer);
      this.#assertKeyFits();
      if (ownKey === undefined) {
        replaceFile(`${this.#data}/${KEY_FILE}`, new TextEncoder().encode(`${targetKey}\n`));
      }
      // Creates it if necessary, so that the next start does not miss it.
      this.#ledger.recover();
      this.#placeStaged(targetKey);
      this.#mergeCollections();
      syncFolder(this.#data);
    } finally {
      this.#ledger.close();
      tryRemove(this.#stagingFolder);
      if (this.#scratch !== undefined) tryRemove(this.#scratch);
    }
    return {
      worlds: this.#worlds,
      same: this.#same,
      conflicts: this.#conflicts,
      broken: this.#broken.filter(({ name }) => this.#staged.has(name)),
      rejected: this.#rejected,
      v5Worlds: this.#v5Worlds,
      active: this.#active,
      demoted: this.#demoted,
      withheld: this.#withheld,
      withheldKey: sourceKey !== undefined && ownKey === undefined && adoptedKey === undefined,
      adoptedKey: ownKey === undefined && adoptedKey !== undefined,
    };
  }

  /** Reads every world and stages those to place. */
  async #readAll(importer: WorldImporter): Promise<void> {
    const { source, onProgress, signal } = this.#options;
    const folders = listWorldFolders(source);
    const isOther = !pathExists(`${source}/${COLLECTIONS_FILE}`) &&
      !folders.some((folder) => pathExists(`${source}/${folder}/${WORLD_FILE}`));
    if (folders.length > 0 && isOther && !isDataFolder(source)) {
      throw new ImportError(
        `Cannot import ${source}: it is not a data folder: it has no worlds and no files of a server`,
      );
    }
    for (const [i, folder] of folders.entries()) {
      // Yields to the event loop, so that the signal can be aborted; each world takes milliseconds.
      if (i % WORLDS_PER_ABORT_CHECK === 0) await new Promise((resolve) => setTimeout(resolve, 0));
      signal?.throwIfAborted();
      onProgress?.(i, folders.length);
      this.#readOne(importer, folder);
    }
    onProgress?.(folders.length, folders.length);
  }

  #readOne(importer: WorldImporter, folder: string): void {
    const path = `${this.#options.source}/${folder}/${WORLD_FILE}`;
    if (!isFile(path)) {
      this.#reject(folder, `it does not contain ${WORLD_FILE}`, { harmless: !pathExists(path) });
      return;
    }
    try {
      const read = withUntrustedWorld(
        path,
        () => this.#scratchFolder(),
        (db) => importer.read(db, folder),
      );
      if ("kind" in read) {
        const { kind, reason } = read;
        const harmless = kind === "empty" || kind === "deleted";
        const aside = !harmless && this.#copyAside(folder);
        this.#reject(folder, reason, { aside, harmless });
        return;
      }
      const { name, image, faults, v5Chain, active, wasActive } = read;
      if (v5Chain === undefined) this.#ownWorlds += 1;
      if (faults.length > 0) this.#broken.push({ name, faults });
      const target = `${this.#data}/${toFolderName(name)}`;
      if (this.#staged.has(name)) this.#conflicts.push(name);
      else if (pathExists(target)) {
        const same = isSameWorld(`${target}/${WORLD_FILE}`, image, () => this.#scratchFolder());
        (same ? this.#same : this.#conflicts).push(name);
      } else if (!this.#mayTake(name)) {
        this.#withheld.push({ name, needs: neededAuthority(name, this.#isMerge) ?? "system" });
      } else {
        this.#staged.add(name);
        const staged = `${this.#stagingFolder}/${toFolderName(name)}`;
        Deno.mkdirSync(staged, { mode: 0o700 });
        writeSynced(`${staged}/${WORLD_FILE}`, image);
        syncFolder(staged);
        if (v5Chain !== undefined) this.#v5Worlds.push({ name, result: v5Chain });
        if (active) this.#active.push(name);
        else if (wasActive) this.#demoted.push(name);
      }
    } catch (error) {
      if (error instanceof Deno.errors.NotFound || isSystemError(error)) throw error;
      const reason = error instanceof Error ? error.message : String(error);
      this.#reject(folder, reason);
    }
  }

  #mayTake(name: string): boolean {
    const needs = neededAuthority(name, this.#isMerge);
    return needs === undefined || this.#options.take[needs];
  }

  #reject(folder: string, reason: string, more: Partial<RejectedWorld> = {}): void {
    this.#rejected.push({ folder, reason, aside: false, harmless: false, ...more });
  }

  /**
   * Checks whether all chains fail at their first event. A wrong key is then more likely than a
   * folder of forged chains.
   */
  #assertKeyFits(): void {
    const isOtherKey = this.#ownWorlds > 0 && this.#broken.length === this.#ownWorlds &&
      this.#broken.every(({ faults }) => faults[0]?.event === 1);
    if (!isOtherKey) return;
    throw new ImportError(
      `Cannot import: none of the ${this.#ownWorlds} chains fits the key; ` +
        "give the key that signed them with --key, nothing was imported",
    );
  }

  #placeStaged(key: string): void {
    for (const name of this.#staged) {
      const folder = toFolderName(name);
      if (!this.#continueNumbering(name, key)) {
        this.#reject(folder, NUMBERING_FAULT);
        continue;
      }
      Deno.renameSync(`${this.#stagingFolder}/${folder}`, `${this.#data}/${folder}`);
      this.#worlds.push(name);
    }
  }

  #continueNumbering(name: string, key: string): boolean {
    const staged = `${this.#stagingFolder}/${toFolderName(name)}`;
    const last = this.#ledger.lastUse(name);
    const done = continueNumbering(name, `${staged}/${WORLD_FILE}`, last, key, this.#options.now);
    if (last !== undefined) syncFolder(staged);
    return done;
  }

  /** Copies a world with an invalid name or content into {@link ASIDE_FOLDER}. Returns true. */
  #copyAside(folder: string): boolean {
    const target = `${this.#data}/${ASIDE_FOLDER}/${folder}`;
    if (!pathExists(target)) {
      Deno.mkdirSync(target, { recursive: true, mode: 0o700 });
      for (const end of ["", "-wal"]) {
        const from = `${this.#options.source}/${folder}/${WORLD_FILE}${end}`;
        if (isFile(from)) writeSynced(`${target}/${WORLD_FILE}${end}`, Deno.readFileSync(from));
      }
    }
    return true;
  }

  #mergeCollections(): void {
    const own = collectionsOf(this.#data);
    const all = new Set([...own, ...collectionsOf(this.#options.source)]);
    if (all.size === own.length) return;
    const text = [...all].map((name) => `${name}\n`).join("");
    replaceFile(`${this.#data}/${COLLECTIONS_FILE}`, new TextEncoder().encode(text));
  }

  #scratchFolder(): string {
    return this.#scratch ??= Deno.makeTempDirSync({ prefix: "elastik-import-" });
  }
}

function collectionsOf(data: string): string[] {
  const path = `${data}/${COLLECTIONS_FILE}`;
  if (!pathExists(path)) return [];
  return Deno.readTextFileSync(path).split("\n")
    .filter((name) => name !== "" && nameFault(name) === undefined);
}

/** Checks whether a path is a regular file and not a symlink. */
function isFile(path: string): boolean {
  return pathExists(path) && Deno.lstatSync(path).isFile;
}

/**
 * An error of the system, such as a full disk or missing permissions. It is not about this world
 * and would recur for the next one.
 */
function isSystemError(error: unknown): boolean {
  return error instanceof Error && error.constructor.name in Deno.errors;
}
