/**
 * The layout of a backup, which `backup_data.ts` writes and `restore_data.ts` reads:
 *
 * - `elastik-backup.json`: marks the folder as a backup; `complete` since a run has ended.
 * - `data/`: a data folder with the worlds of the last run. `elastik verify` checks it.
 * - `deleted/<id>/<folder>/universe.db`: worlds that were deleted, by the id of their removal.
 * - `.states.json`: the state of each file of the source at its copy. It only saves work: without it the
 *   next run copies every world.
 */

import { isTrashId } from "../world/trash.ts";
import { pathExists, replaceFile, syncFolder, WORLD_FILE } from "../world/file/durable_fs.ts";
import { fromFolderName } from "../world/name.ts";

const MARK_FILE = "elastik-backup.json";
const STATES_FILE = ".states.json";
const FORMAT = 1;

/** The folder cannot be used as a backup. The message is for the operator. */
export class BackupError extends Error {
  override readonly name = "BackupError";
}

/** A deleted world in a backup. */
export interface BinnedWorld {
  readonly id: string;
  readonly folder: string;
  /** Path of its folder. */
  readonly path: string;
}

/** The paths of a backup. */
export class BackupFolder {
  /** @param path path of the backup */
  constructor(readonly path: string) {}

  /** The data folder with the latest worlds. */
  get data(): string {
    return `${this.path}/data`;
  }

  /** The folder of deleted worlds. */
  get deleted(): string {
    return `${this.path}/deleted`;
  }

  /** Whether the folder is a backup. */
  isBackup(): boolean {
    return isFolder(this.path) && pathExists(`${this.path}/${MARK_FILE}`);
  }

  /** Whether a run has ended, so that the backup has every world of that time. */
  isComplete(): boolean {
    return readMember(this.#readMark(), "complete") === true;
  }

  /** Notes that a run has ended, after everything that it copied is on disk. */
  markComplete(): void {
    if (!this.isComplete()) this.#writeMark({ format: FORMAT, complete: true });
  }

  /**
   * Creates the backup, if it does not exist.
   *
   * @throws {BackupError} if the folder contains anything else, or a backup of a later format
   */
  create(): void {
    Deno.mkdirSync(this.path, { recursive: true, mode: 0o700 });
    if (this.isBackup()) return this.#assertFormat();
    if (!Deno.readDirSync(this.path)[Symbol.iterator]().next().done) {
      throw new BackupError(
        `Cannot back up into ${this.path}: it contains other files; name a new or an empty folder`,
      );
    }
    this.#writeMark({ format: FORMAT });
  }

  #writeMark(mark: { format: number; complete?: boolean }): void {
    replaceFile(`${this.path}/${MARK_FILE}`, new TextEncoder().encode(`${JSON.stringify(mark)}\n`));
    syncFolder(this.path);
  }

  #readMark(): unknown {
    return parseJson(Deno.readTextFileSync(`${this.path}/${MARK_FILE}`));
  }

  #assertFormat(): void {
    if (readMember(this.#readMark(), "format") === FORMAT) return;
    throw new BackupError(
      `Cannot use the backup ${this.path}: its format is not ${FORMAT}; use the program that made it`,
    );
  }

  /** The state of each file of the source at its copy, by the name of its folder; empty if lost. */
  readStates(): Map<string, string> {
    let text: string;
    try {
      text = Deno.readTextFileSync(`${this.path}/${STATES_FILE}`);
    } catch {
      return new Map(); // missing or not readable: everything is copied again
    }
    const found = parseJson(text);
    if (typeof found !== "object" || found === null) return new Map();
    return new Map(
      Object.entries(found).flatMap(([folder, state]) =>
        typeof state === "string" ? [[folder, state] as const] : []
      ),
    );
  }

  /** Saves the states, after everything that they are about is on disk. */
  saveStates(states: ReadonlyMap<string, string>): void {
    const text = JSON.stringify(Object.fromEntries(states));
    replaceFile(`${this.path}/${STATES_FILE}`, new TextEncoder().encode(text));
    syncFolder(this.path);
  }

  /** Lists the deleted worlds, by their ids. */
  listDeleted(): BinnedWorld[] {
    return listBins(this.deleted);
  }
}

/** Lists the worlds of a trash folder: `<id>/<folder>/universe.db`. A missing folder has none. */
export function listBins(trash: string): BinnedWorld[] {
  return foldersOf(trash).filter(isTrashId).flatMap((id) =>
    foldersOf(`${trash}/${id}`)
      .filter((folder) => fromFolderName(folder) !== undefined)
      .map((folder) => ({ id, folder, path: `${trash}/${id}/${folder}` }))
      .filter(({ path }) => pathExists(`${path}/${WORLD_FILE}`))
  );
}

/** Time of an id in Unix milliseconds: `20261128T101112123Z-…` or `gone-20261128T101112123Z`. */
export function timeOfId(id: string): number | undefined {
  const [, day, time, ms] = /(\d{8})T(\d{6})(\d{3})Z/.exec(id) ?? [];
  if (day === undefined || time === undefined) return undefined;
  const at = Date.parse(
    `${day.replace(/(....)(..)(..)/, "$1-$2-$3")}T${
      time.replace(/(..)(..)(..)/, "$1:$2:$3")
    }.${ms}Z`,
  );
  return Number.isNaN(at) ? undefined : at;
}

function foldersOf(path: string): string[] {
  try {
    return [...Deno.readDirSync(path)].filter(({ isDirectory }) => isDirectory)
      .map(({ name }) => name).sort();
  } catch (error) {
    // A running server can remove an entry of the trash.
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function readMember(value: unknown, name: string): unknown {
  return typeof value === "object" && value !== null && Object.hasOwn(value, name)
    ? Reflect.get(value, name)
    : undefined;
}

/** Whether a path names a folder, or a link to one. */
function isFolder(path: string): boolean {
  try {
    return Deno.statSync(path).isDirectory;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) {
      return false;
    }
    throw error;
  }
}
