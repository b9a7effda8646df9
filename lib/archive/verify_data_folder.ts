/**
 * Checks a whole data folder with the server off: every chain, every row, every kept version. It
 * changes nothing in the folder and refuses one that a server holds. One line for each world that
 * does not hold, and one at the end.
 */

import {
  DataFolderBusy,
  lockToRead,
  readSecret,
  SecretUnusable,
} from "../world/file/data_folder.ts";
import { exists, WORLD_FILE } from "../world/file/durable_fs.ts";
import { createSeal } from "../world/event_chain.ts";
import { nameOf } from "../world/name.ts";
import { withStillFile } from "../world/file/offline_file.ts";
import { checkWorld, type WorldFault } from "../world/file/verify_world.ts";
import { oneLine } from "../base/sanitize_text.ts";

/** A world that does not hold. */
export interface BrokenWorld {
  readonly name: string;
  readonly faults: readonly WorldFault[];
}

/** Something that is in the folder and is no world, or no longer one. */
export interface Leftover {
  readonly folder: string;
  readonly reason: string;
}

/** What a check of a folder found. */
export interface Verified {
  /** Number of worlds that were checked. */
  readonly worlds: number;
  readonly broken: readonly BrokenWorld[];
  readonly leftovers: readonly Leftover[];
}

/** How a folder is checked. */
export interface VerifyOptions {
  readonly data: string;
  /** The signing key of the event chains. */
  readonly key: string;
  /** Told after each world how many are done. */
  readonly onProgress?: (done: number, total: number) => void;
}

/**
 * Checks every world of a data folder.
 *
 * @throws {DataFolderBusy} when a server holds the folder
 * @throws {Deno.errors.NotFound} when there is no such folder
 */
export function verifyDataFolder({ data, key, onProgress }: VerifyOptions): Verified {
  const folders = [...Deno.readDirSync(data)]
    .filter(({ name, isFile }) => !name.startsWith(".") && !isFile)
    .map(({ name }) => name).sort();
  const release = lockToRead(data);
  let scratch: string | undefined;
  const seal = createSeal(key);
  const broken: BrokenWorld[] = [];
  const leftovers: Leftover[] = [];
  let worlds = 0;
  try {
    folders.forEach((folder, i) => {
      onProgress?.(i, folders.length);
      const path = `${data}/${folder}/${WORLD_FILE}`;
      const name = nameOf(folder);
      if (name === undefined) {
        leftovers.push({ folder, reason: "no world can have this folder" });
      } else if (!exists(path)) leftovers.push({ folder, reason: `holds no ${WORLD_FILE}` });
      else {
        worlds += 1;
        const { faults, leaving } = checkFile(path, name);
        if (faults.length > 0) broken.push({ name, faults });
        if (leaving) leftovers.push({ folder, reason: "was deleted, and is not in the trash yet" });
      }
    });
    onProgress?.(folders.length, folders.length);
  } finally {
    if (scratch !== undefined) Deno.removeSync(scratch, { recursive: true });
    release();
  }
  return { worlds, broken, leftovers };

  function scratchFolder(): string {
    return scratch ??= Deno.makeTempDirSync({ prefix: "verify-" });
  }

  function checkFile(path: string, name: string): ReturnType<typeof checkWorld> {
    try {
      return withStillFile(path, scratchFolder, (db) => checkWorld(db, name, seal));
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      return { faults: [{ check: "unreadable", reason }], leaving: false };
    }
  }
}

/** Where the command writes to. */
export interface VerifyTerminal {
  /** One line of the result. */
  out(line: string): void;
  /** One line about what kept the command from its work. */
  err(line: string): void;
  /** Shows how far it is; absent where nobody watches. */
  readonly progress?: { update(done: number, total: number): void; end(): void } | undefined;
}

/**
 * The command.
 *
 * @param data the data folder
 * @param key `ELASTIK_KEY` if it is set; else the folder's own is used
 * @returns the exit code: 0 all hold, 1 some do not, 2 the folder could not be checked
 */
export function runVerify(data: string, key: string | undefined, terminal: VerifyTerminal): number {
  let found: Verified;
  try {
    const kept = key ?? readSecret(data, ".key");
    if (kept === undefined && exists(data)) {
      terminal.err(
        `Cannot check ${data}: its signing key is neither in ELASTIK_KEY nor in ${data}/.key`,
      );
      return 2;
    }
    found = verifyDataFolder({
      data,
      key: kept ?? "",
      onProgress: (done, total) => terminal.progress?.update(done, total),
    });
  } catch (error) {
    terminal.progress?.end();
    terminal.err(refusal(data, error));
    return 2;
  }
  terminal.progress?.end();
  for (const { name, faults } of found.broken) {
    terminal.out(oneLine(`${name}: ${faults.map(faultText).join("; ")}`));
  }
  for (const { folder, reason } of found.leftovers) {
    terminal.out(oneLine(`${folder}: leftover: ${reason}`));
  }
  terminal.out(summary(found));
  return found.broken.length === 0 ? 0 : 1;
}

function refusal(data: string, error: unknown): string {
  if (error instanceof DataFolderBusy || error instanceof SecretUnusable) return error.message;
  if (error instanceof Deno.errors.NotFound) return `Cannot check ${data}: there is no such folder`;
  return `Cannot check ${data}: ${error instanceof Error ? error.message : String(error)}`;
}

function faultText({ check, event, reason }: WorldFault): string {
  return event === undefined ? `${check}: ${reason}` : `${check} at event ${event}: ${reason}`;
}

function summary({ worlds, broken, leftovers }: Verified): string {
  const parts = [`${worlds} worlds checked`, `${broken.length} broken`];
  if (leftovers.length > 0) parts.push(`${leftovers.length} leftovers`);
  const foreign = broken.length > 1 && broken.length === worlds &&
    broken.every(({ faults }) => faults[0]?.event === 1);
  return parts.join(", ") + (foreign ? "; no chain fits this key: is it the right one?" : "");
}
