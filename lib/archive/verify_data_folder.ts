/**
 * Verifies a whole data folder: every chain, row and kept version. It changes nothing and rejects a
 * folder that a server holds. It reports one line per world that does not verify, and a summary.
 */

import {
  assertHasWorlds,
  DataFolderBusy,
  InvalidSecret,
  lockDataFolderForReading,
  UnusableEntry,
} from "../world/file/data_folder.ts";
import { pathExists, WORLD_FILE } from "../world/file/durable_fs.ts";
import { createChainSigner } from "../world/event_chain.ts";
import { fromFolderName } from "../world/name.ts";
import { withOfflineFile } from "../world/file/offline_file.ts";
import { readSigningKeys } from "../world/file/signing_keys.ts";
import { verifyWorld, type WorldFault } from "../world/file/verify_world.ts";
import { explainFsError } from "../base/fs_error.ts";
import { sanitizeText } from "../base/sanitize_text.ts";

/** A world that does not verify. */
export interface BrokenWorld {
  readonly name: string;
  readonly faults: readonly WorldFault[];
}

/** An entry of the folder that is not a world, or a deleted one. */
export interface Leftover {
  readonly folder: string;
  readonly reason: string;
}

/** The result of a verification. */
export interface VerifyResult {
  /** Number of worlds that were checked. */
  readonly worlds: number;
  readonly broken: readonly BrokenWorld[];
  readonly leftovers: readonly Leftover[];
  /** Worlds whose chains began before first events recorded the name. */
  readonly unnamed: number;
}

/** How a folder is verified. */
export interface VerifyOptions {
  readonly data: string;
  /** Signing key of the event chains. */
  readonly key: string;
  /** Keys that signed earlier events, oldest first; default none. */
  readonly retiredKeys?: readonly string[];
  /** Called after each world. */
  readonly onProgress?: (done: number, total: number) => void;
}

/**
 * Verifies every world of a data folder.
 *
 * @throws {DataFolderBusy} if a server holds the folder
 * @throws {Deno.errors.NotFound} if there is no such folder
 */
export function verifyDataFolder(
  { data, key, retiredKeys, onProgress }: VerifyOptions,
): VerifyResult {
  const folders = [...Deno.readDirSync(data)]
    .filter(({ name, isFile }) => !name.startsWith(".") && !isFile)
    .map(({ name }) => name).sort();
  const release = lockDataFolderForReading(data);
  let scratch: string | undefined;
  const sign = createChainSigner(key, retiredKeys);
  const broken: BrokenWorld[] = [];
  const leftovers: Leftover[] = [];
  let worlds = 0;
  let unnamed = 0;
  try {
    folders.forEach((folder, i) => {
      onProgress?.(i, folders.length);
      const path = `${data}/${folder}/${WORLD_FILE}`;
      const name = fromFolderName(folder);
      if (name === undefined) {
        leftovers.push({ folder, reason: "its name is not the encoding of a world name" });
      } else if (!pathExists(path)) {
        leftovers.push({ folder, reason: `does not contain ${WORLD_FILE}` });
      } else {
        worlds += 1;
        const { faults, isDeleted, isNamed } = checkFile(path, name);
        if (!isNamed) unnamed += 1;
        if (faults.length > 0) broken.push({ name, faults });
        if (isDeleted) {
          leftovers.push({ folder, reason: "was deleted and is not in the trash yet" });
        }
      }
    });
    onProgress?.(folders.length, folders.length);
  } finally {
    if (scratch !== undefined) Deno.removeSync(scratch, { recursive: true });
    release();
  }
  return { worlds, broken, leftovers, unnamed };

  function scratchFolder(): string {
    return scratch ??= Deno.makeTempDirSync({ prefix: "verify-" });
  }

  function checkFile(path: string, name: string): ReturnType<typeof verifyWorld> {
    try {
      return withOfflineFile(path, scratchFolder, (db) => verifyWorld(db, name, sign));
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      return { faults: [{ check: "unreadable", reason }], isDeleted: false, isNamed: true };
    }
  }
}

/** Output of the command. */
export interface VerifyTerminal {
  /** Writes one line of the result. */
  out(line: string): void;
  /** Writes one line about an error that prevents the verification. */
  err(line: string): void;
  /** Shows progress; absent if the standard error is not a terminal. */
  readonly progress?: { update(done: number, total: number): void; end(): void } | undefined;
}

/**
 * Runs the command `verify`.
 *
 * @param data path of the data folder
 * @param key `ELASTIK_KEY`; if undefined, the key of the folder is used
 * @param terminal output of the command
 * @returns the exit code: 0 if all worlds verify, 1 if some do not, 2 if the folder could not be
 * checked
 */
export function runVerify(data: string, key: string | undefined, terminal: VerifyTerminal): number {
  let found: VerifyResult;
  try {
    const { key: signingKey, retired } = readSigningKeys(data, key);
    if (signingKey === undefined && pathExists(data)) {
      terminal.err(
        `Cannot verify ${data}: its signing key is neither in ELASTIK_KEY nor in ${data}/.key`,
      );
      return 2;
    }
    found = verifyDataFolder({
      data,
      key: signingKey ?? "",
      retiredKeys: retired,
      onProgress: (done, total) => terminal.progress?.update(done, total),
    });
    if (found.worlds === 0) assertHasWorlds(data);
  } catch (error) {
    terminal.progress?.end();
    terminal.err(sanitizeText(formatError(data, error)));
    return 2;
  }
  terminal.progress?.end();
  for (const { name, faults } of found.broken) {
    terminal.out(sanitizeText(`${name}: ${faults.map(faultText).join("; ")}`));
  }
  for (const { folder, reason } of found.leftovers) {
    terminal.out(sanitizeText(`${folder}: leftover: ${reason}`));
  }
  terminal.out(summary(found));
  return found.broken.length === 0 ? 0 : 1;
}

function formatError(data: string, error: unknown): string {
  if (error instanceof DataFolderBusy || error instanceof InvalidSecret) return error.message;
  if (error instanceof Deno.errors.NotFound) {
    return `Cannot verify ${data}: there is no such folder`;
  }
  if (error instanceof Deno.errors.NotADirectory) {
    return `Cannot verify ${data}: it is a file; name a data folder`;
  }
  if (error instanceof UnusableEntry) return error.message;
  return `Cannot verify ${data}: ${explainFsError(error)}`;
}

function faultText({ check, event, reason }: WorldFault): string {
  return event === undefined ? `${check}: ${reason}` : `${check} at event ${event}: ${reason}`;
}

function summary({ worlds, broken, leftovers, unnamed }: VerifyResult): string {
  const parts = [`${worlds} worlds checked`, `${broken.length} broken`];
  if (unnamed > 0) parts.push(`${unnamed} with older chains that do not name their world`);
  if (leftovers.length > 0) parts.push(`${leftovers.length} leftovers`);
  const isOtherKey = broken.length > 1 && broken.length === worlds &&
    broken.every(({ faults }) => faults[0]?.event === 1);
  return parts.join(", ") +
    (isOtherKey ? "; no chain fits this key; give the key that signed them in ELASTIK_KEY" : "");
}
