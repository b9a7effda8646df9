/**
 * Brings the worlds of a folder, ours or one of the original elastik, into a data folder that no server
 * holds. All are read and judged first, in a place of their own; then each is renamed to where it
 * belongs, so that no world is ever half there. What is there already is never overwritten.
 */

import {
  type DataFolder,
  DataFolderBusy,
  lockToRead,
  readSecret,
  takeDataFolder,
} from "../world/file/data_folder.ts";
import {
  COLLECTIONS_FILE,
  exists,
  INCOMING,
  removeQuietly,
  replaceFile,
  syncFolder,
  WORLD_FILE,
  writeSynced,
} from "../world/file/durable_fs.ts";
import { folderOf, nameFault } from "../world/name.ts";
import type { WorldFault } from "../world/file/verify_world.ts";
import { KEY_FILE } from "./archive_entry.ts";
import { withForeignWorld } from "./untrusted_world.ts";
import { IncomingWorlds } from "./import_world.ts";
import type { OriginalVerdict } from "./v5_chain.ts";
import { sameWorld } from "./same_world.ts";

/** Worlds read between two looks at whether to go on. */
const TURN = 32;
/** Folder under a data folder for worlds whose names cannot be worlds here. */
export const ASIDE = ".aside";

/** Thrown when nothing was brought in; the message is for the operator. */
export class ImportRefused extends Error {
  override readonly name = "ImportRefused";
}

/** How worlds are brought in. */
export interface ImportOptions {
  /** The folder they are in. */
  readonly source: string;
  /** The data folder they come to; made where it is missing. */
  readonly into: string;
  /** Whether it may hold worlds already. */
  readonly merge: boolean;
  /** What signed the chains in `source`, where its own `.key` does not say. */
  readonly key: string | undefined;
  /** Whether to take no signing key from `source`, even where there is none yet. */
  readonly newKey: boolean;
  /** `ELASTIK_KEY`, which the machine will sign with. */
  readonly machineKey: string | undefined;
  /** RFC 3339 time in UTC with milliseconds. */
  readonly now: string;
  readonly onProgress?: (done: number, total: number) => void;
  readonly signal?: AbortSignal;
}

/** Something that was not brought in. */
export interface Refused {
  readonly folder: string;
  readonly reason: string;
  /** A copy of it lies in {@link ASIDE}. */
  readonly aside: boolean;
  /** Nothing is lost with it. */
  readonly harmless: boolean;
}

/** What came of it; names are as they are here. */
export interface Imported {
  /** Worlds that were brought in. */
  readonly worlds: readonly string[];
  /** Worlds that were there already, as they are in `source`. */
  readonly same: readonly string[];
  /** Worlds that are there already and differ; they stay as they are. */
  readonly conflicts: readonly string[];
  /** Worlds that were brought in and do not hold. */
  readonly broken: readonly { readonly name: string; readonly faults: readonly WorldFault[] }[];
  /** What was not brought in. */
  readonly refused: readonly Refused[];
  /** Worlds of the original, and what its own chains were worth. */
  readonly originals: readonly { readonly name: string; readonly verdict: OriginalVerdict }[];
  /** Plugins that start with the machine. */
  readonly active: readonly string[];
  /** Plugins that ran where they come from, and wait for an approval here. */
  readonly sunk: readonly string[];
  /** The folder's signing key came along. */
  readonly key: boolean;
}

/**
 * Imports.
 *
 * @throws {ImportRefused} {@link DataFolderBusy} {@link SecretUnusable} and the signal's reason; the
 * target is then as it was
 */
export async function importFolder(options: ImportOptions): Promise<Imported> {
  const { source, into } = options;
  const release = lockToRead(source);
  try {
    if (exists(into)) return await importInto(into, options);
    const fresh = `${into.replace(/\/+$/, "")}.import-${crypto.randomUUID().slice(0, 8)}`;
    try {
      const imported = await importInto(fresh, options);
      Deno.renameSync(fresh, into);
      return imported;
    } catch (error) {
      removeQuietly(fresh);
      throw error;
    }
  } catch (error) {
    if (!(error instanceof DataFolderBusy)) throw error;
    throw new ImportRefused(error.message);
  } finally {
    release();
  }
}

async function importInto(data: string, options: ImportOptions): Promise<Imported> {
  const target = takeDataFolder(data);
  try {
    if (!options.merge && worldFolders(data).length > 0) {
      throw new ImportRefused(
        `Cannot import into ${options.into}: it holds worlds already; ` +
          "name an empty folder with --into, or add to these with --merge",
      );
    }
    return await new Import(target, options).run();
  } finally {
    target.release();
  }
}

/** One import into a folder that is held. */
class Import {
  readonly #data: string;
  readonly #options: ImportOptions;
  readonly #stage: string;
  readonly #staged = new Set<string>();
  readonly #worlds: string[] = [];
  readonly #same: string[] = [];
  readonly #conflicts: string[] = [];
  readonly #broken: { name: string; faults: readonly WorldFault[] }[] = [];
  readonly #refused: Refused[] = [];
  readonly #originals: { name: string; verdict: OriginalVerdict }[] = [];
  readonly #active: string[] = [];
  readonly #sunk: string[] = [];
  #ownWorlds = 0;
  #scratch: string | undefined;

  constructor(target: DataFolder, options: ImportOptions) {
    this.#data = target.path;
    this.#options = options;
    this.#stage = `${target.path}/${INCOMING}/import`;
  }

  async run(): Promise<Imported> {
    const { source, key, newKey, machineKey, now } = this.#options;
    const sourceKey = readSecret(source, KEY_FILE);
    const own = machineKey ?? readSecret(this.#data, KEY_FILE);
    const adopted = newKey ? undefined : sourceKey;
    const to = own ?? adopted ?? crypto.getRandomValues(new Uint8Array(32)).toHex();
    const incoming = new IncomingWorlds({
      from: key ?? sourceKey ?? to,
      to,
      original: key,
      now,
    });
    try {
      Deno.mkdirSync(this.#stage, { recursive: true, mode: 0o700 });
      await this.#readAll(incoming);
      this.#mustFit();
      if (own === undefined) {
        replaceFile(`${this.#data}/${KEY_FILE}`, new TextEncoder().encode(`${to}\n`));
      }
      this.#place();
      this.#mergeCollections();
      syncFolder(this.#data);
    } finally {
      removeQuietly(this.#stage);
      if (this.#scratch !== undefined) removeQuietly(this.#scratch);
    }
    return {
      worlds: this.#worlds,
      same: this.#same,
      conflicts: this.#conflicts,
      broken: this.#broken.filter(({ name }) => this.#staged.has(name)),
      refused: this.#refused,
      originals: this.#originals,
      active: this.#active,
      sunk: this.#sunk,
      key: own === undefined && adopted !== undefined,
    };
  }

  /** Reads every world, and stages those that are to be placed. */
  async #readAll(incoming: IncomingWorlds): Promise<void> {
    const { source, onProgress, signal } = this.#options;
    const folders = worldFolders(source);
    for (const [i, folder] of folders.entries()) {
      // A turn for whoever wants to end this; each costs milliseconds.
      if (i % TURN === 0) await new Promise((resolve) => setTimeout(resolve, 0));
      signal?.throwIfAborted();
      onProgress?.(i, folders.length);
      this.#readOne(incoming, folder);
    }
    onProgress?.(folders.length, folders.length);
  }

  #readOne(incoming: IncomingWorlds, folder: string): void {
    const path = `${this.#options.source}/${folder}/${WORLD_FILE}`;
    if (!isFile(path)) {
      this.#refuse(folder, `it holds no ${WORLD_FILE}`, { harmless: !exists(path) });
      return;
    }
    try {
      const read = withForeignWorld(
        path,
        () => this.#scratchFolder(),
        (db) => incoming.read(db, folder),
      );
      if ("why" in read) {
        const { why, reason } = read;
        const aside = why === "name" && this.#keepAside(folder);
        this.#refuse(folder, reason, { aside, harmless: why !== "name" });
        return;
      }
      const { name, image, faults, original, active, wasActive } = read;
      if (original === undefined) this.#ownWorlds += 1;
      if (faults.length > 0) this.#broken.push({ name, faults });
      const target = `${this.#data}/${folderOf(name)}`;
      if (this.#staged.has(name)) this.#conflicts.push(name);
      else if (exists(target)) {
        const same = sameWorld(`${target}/${WORLD_FILE}`, image, () => this.#scratchFolder());
        (same ? this.#same : this.#conflicts).push(name);
      } else {
        this.#staged.add(name);
        const staged = `${this.#stage}/${folderOf(name)}`;
        Deno.mkdirSync(staged, { mode: 0o700 });
        writeSynced(`${staged}/${WORLD_FILE}`, image);
        syncFolder(staged);
        if (original !== undefined) this.#originals.push({ name, verdict: original });
        if (active) this.#active.push(name);
        else if (wasActive) this.#sunk.push(name);
      }
    } catch (error) {
      if (error instanceof Deno.errors.NotFound || isSystemTrouble(error)) throw error;
      const reason = error instanceof Error ? error.message : String(error);
      this.#refuse(folder, reason);
    }
  }

  #refuse(folder: string, reason: string, more: Partial<Refused> = {}): void {
    this.#refused.push({ folder, reason, aside: false, harmless: false, ...more });
  }

  /** A wrong key is more likely than a folder in which every chain was forged. */
  #mustFit(): void {
    const foreign = this.#ownWorlds > 0 && this.#broken.length === this.#ownWorlds &&
      this.#broken.every(({ faults }) => faults[0]?.event === 1);
    if (!foreign) return;
    throw new ImportRefused(
      `Cannot import: none of the ${this.#ownWorlds} chains fits the key; ` +
        "give the one that signed them with --key, nothing was brought in",
    );
  }

  #place(): void {
    for (const name of this.#staged) {
      const folder = folderOf(name);
      Deno.renameSync(`${this.#stage}/${folder}`, `${this.#data}/${folder}`);
      this.#worlds.push(name);
    }
  }

  /** A copy of a world whose name cannot be one here, where it is in nobody's way. */
  #keepAside(folder: string): boolean {
    const target = `${this.#data}/${ASIDE}/${folder}`;
    if (!exists(target)) {
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

/** Folders that may hold a world, sorted; links are none, wherever they lead. */
function worldFolders(data: string): string[] {
  return [...Deno.readDirSync(data)]
    .filter(({ name, isDirectory }) => isDirectory && !name.startsWith("."))
    .map(({ name }) => name).sort();
}

function collectionsOf(data: string): string[] {
  const path = `${data}/${COLLECTIONS_FILE}`;
  if (!exists(path)) return [];
  return Deno.readTextFileSync(path).split("\n")
    .filter((name) => name !== "" && nameFault(name) === undefined);
}

/** Whether a path is a file itself, and no link to one. */
function isFile(path: string): boolean {
  return exists(path) && Deno.lstatSync(path).isFile;
}

/** What says nothing of a world, and would be the same for the next: a full disk, no rights. */
function isSystemTrouble(error: unknown): boolean {
  return error instanceof Error && error.constructor.name in Deno.errors;
}
