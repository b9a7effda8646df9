/**
 * The command `backup`: writes the worlds of the data folder to a backup, and verifies what was written.
 * `lib/archive/backup_data.ts` decides what a backup contains.
 */

import { backupData, type BackupResult } from "../../archive/backup_data.ts";
import { BackupError } from "../../archive/backup_folder.ts";
import { unpackArchive } from "../../archive/unpack.ts";
import { verifyDataFolder } from "../../archive/verify_data_folder.ts";
import { parseDurationSeconds } from "../../base/duration.ts";
import { explainFsError } from "../../base/fs_error.ts";
import { sanitizeText } from "../../base/sanitize_text.ts";
import { readConfig, readEnvironment } from "../../config.ts";
import { InvalidSecret, UnusableEntry } from "../../world/file/data_folder.ts";
import { tryRemove } from "../../world/file/durable_fs.ts";
import { readSigningKeys } from "../../world/file/signing_keys.ts";
import type { CommandContext } from "../command.ts";
import { getTextOption, type OptionValues, UsageError } from "../parse_args.ts";
import { createTerminalProgress } from "../progress_bar.ts";
import { assertNoStore } from "../store_target.ts";
import { run as runExport } from "./export.ts";
import { runInterruptible } from "./on_interrupt.ts";

const BACK_UP_STORE =
  "back it up with the tools of PostgreSQL, or export it: elastik export <folder>";
const ARCHIVE = /\.(?:tar\.gz|tgz)$/;

/**
 * Backs up a data folder.
 *
 * @param words a folder, or a new file whose name ends in `.tar.gz`
 * @returns 0 if all worlds were copied and verify, 1 if some could not be copied or do not verify, 2 if
 * nothing was done
 * @throws {UsageError} if an option is malformed
 * @throws {ConfigError} if a setting is invalid
 */
export async function run(
  [into = ""]: readonly string[],
  context: CommandContext,
  options: OptionValues,
): Promise<number> {
  const keepMs = readKeep(getTextOption(options, "keep"));
  if (into === "-") {
    throw new UsageError(
      "Cannot run backup: - is not a folder or file; elastik export - writes to the standard output",
    );
  }
  if (ARCHIVE.test(into)) return await backUpArchive(into, context, options);
  const config = readConfig(await readEnvironment());
  const named = getTextOption(options, "from");
  assertNoStore(config, "backup", named, BACK_UP_STORE);
  const data = named ?? config.data;
  return await runInterruptible(async (signal) => {
    const progress = createTerminalProgress("backup", "worlds");
    try {
      const result = await backupData({
        data,
        into,
        key: config.key,
        withKey: options["without-key"] !== true,
        versions: config.history.versions,
        keepMs,
        signal,
        onProgress: (done, total) => progress?.update(done, total),
      });
      progress?.end();
      for (const line of formatReport(result, into, config.key !== undefined)) {
        console.log(sanitizeText(line));
      }
      return result.damaged.length + result.broken.length === 0 ? 0 : 1;
    } catch (error) {
      progress?.end();
      if (signal.aborted || !(error instanceof Error)) throw error;
      console.error(sanitizeText(describe(error, data, into)));
      return 2;
    }
  }, "every copy in the backup is complete; run it again");
}

function readKeep(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const seconds = parseDurationSeconds(text);
  if (seconds !== undefined) return seconds * 1000;
  throw new UsageError(
    `Cannot run backup: --keep is ${sanitizeText(text)}; a time such as 90d is needed`,
  );
}

function describe(error: Error, data: string, into: string): string {
  const isExpected = error instanceof BackupError || error instanceof InvalidSecret ||
    error instanceof UnusableEntry;
  if (isExpected) return error.message;
  const why = error instanceof Deno.errors.NotFound
    ? "there is no such folder"
    : explainFsError(error);
  return `Cannot back up ${data} into ${into}: ${why}`;
}

function formatReport(result: BackupResult, into: string, ownKey: boolean): string[] {
  const { worlds, copied, deleted, dropped, isLive, damaged, broken } = result;
  const { includesKey, hasRetiredKeys } = result;
  const more = [
    ...(deleted === 0 ? [] : [`${deleted} deleted`]),
    ...(dropped === 0 ? [] : [`${dropped} dropped`]),
  ];
  return [
    `Backed up ${worlds} worlds to ${into}: ${copied} copied and verified${
      more.map((part) => `, ${part}`).join("")
    }${isLive ? ", while its server runs" : ""}`,
    ...damaged.map(({ folder, reason }) => `Not copied: ${folder}: ${reason}`),
    ...broken.map(({ name, faults }) =>
      `Copied as it is, but it does not verify: /${name}: ${
        faults.map(({ reason }) => reason).join("; ")
      }`
    ),
    ...(ownKey
      ? ["The signing key is ELASTIK_KEY, which is not in the backup: keep it elsewhere"]
      : includesKey
      ? ["The backup contains the signing key, which can create capabilities: keep it secret"]
      : [
        `The backup does not contain the signing key: keep data/.key${
          hasRetiredKeys ? " and data/.key-retired" : ""
        } elsewhere`,
      ]),
  ];
}

/** Writes a complete archive, then reads it back and verifies every world in it. */
async function backUpArchive(
  file: string,
  context: CommandContext,
  options: OptionValues,
): Promise<number> {
  if (options.keep !== undefined) {
    throw new UsageError("Cannot run backup: --keep is for a folder; an archive is always new");
  }
  const code = await runExport([file], context, options);
  if (code === 2) return code;
  const config = readConfig(await readEnvironment());
  const data = getTextOption(options, "from") ?? config.data;
  const folder = await Deno.makeTempDir({ prefix: "elastik-backup-" });
  const progress = createTerminalProgress("verify", "worlds");
  try {
    await unpackArchive((await Deno.open(file)).readable, folder);
    const { key = "", retired } = readSigningKeys(data, config.key);
    const { worlds, broken } = verifyDataFolder({
      data: folder,
      key,
      retiredKeys: retired,
      onProgress: (done, total) => progress?.update(done, total),
    });
    progress?.end();
    for (const { name, faults } of broken) {
      console.log(sanitizeText(`${name}: ${faults.map(({ reason }) => reason).join("; ")}`));
    }
    console.log(`Read back: ${worlds} worlds checked, ${broken.length} broken`);
    return broken.length === 0 ? code : 1;
  } catch (error) {
    progress?.end();
    if (!(error instanceof Error)) throw error;
    console.error(sanitizeText(`Cannot read ${file} back: ${explainFsError(error)}`));
    return 1;
  } finally {
    tryRemove(folder);
  }
}
