/**
 * The command `restore`: brings worlds back from a backup, into a new data folder or onto the running
 * server, also as they were at a time.
 */

import { ArchiveError } from "../../archive/archive_entry.ts";
import { BackupError } from "../../archive/backup_folder.ts";
import {
  restoreFolder,
  type RestoreSelection,
  RestoreSource,
  type Selected,
} from "../../archive/restore_data.ts";
import { explainFsError } from "../../base/fs_error.ts";
import { sanitizeText } from "../../base/sanitize_text.ts";
import { readConfig, readEnvironment } from "../../config.ts";
import { InvalidSecret, UnusableEntry } from "../../world/file/data_folder.ts";
import { parseSince } from "../client/parse_since.ts";
import { restoreWorld } from "../client/restore_worlds.ts";
import { resolveServer, UnreachableError } from "../client/server_client.ts";
import { selectTokens } from "../client/stored_token.ts";
import type { CommandContext } from "../command.ts";
import { getTextOption, type OptionValues, UsageError } from "../parse_args.ts";
import { createTerminalProgress } from "../progress_bar.ts";
import { readKeyOption } from "../read_key_option.ts";
import { runInterruptible } from "./on_interrupt.ts";

/**
 * Restores worlds.
 *
 * @param words the backup, then paths of worlds and collections
 * @returns 0 if all was restored, 1 if a world was not, 2 if nothing was tried, 3 if the server is
 * unreachable
 * @throws {UsageError} if an option is missing or malformed
 * @throws {ConfigError} if a setting is invalid
 */
export async function run(
  [from = "", ...paths]: readonly string[],
  _context: CommandContext,
  options: OptionValues,
): Promise<number> {
  const into = getTextOption(options, "into");
  const selection = readSelection(paths, getTextOption(options, "at"), into !== undefined);
  const given = readKeyOption(getTextOption(options, "key"));
  const key = given?.key ?? readConfig(await readEnvironment()).key;
  if (into !== undefined && getTextOption(options, "url") !== undefined) {
    throw new UsageError("Cannot run restore: --into and --url exclude each other");
  }
  return await runInterruptible(async (signal) => {
    let source: RestoreSource | undefined;
    try {
      source = await RestoreSource.open(from, key, given?.retired);
      return into === undefined
        ? await restoreOnServer(source, selection, options, signal)
        : await restoreInto(source, selection, into, options, signal);
    } catch (error) {
      if (signal.aborted || !(error instanceof Error)) throw error;
      if (error instanceof UnreachableError) {
        console.error(error.message);
        return 3;
      }
      const isExpected = error instanceof BackupError || error instanceof ArchiveError ||
        error instanceof InvalidSecret || error instanceof UnusableEntry;
      const why = error instanceof Deno.errors.NotFound && source === undefined
        ? "there is no such file or folder"
        : explainFsError(error);
      console.error(
        sanitizeText(isExpected ? error.message : `Cannot restore from ${from}: ${why}`),
      );
      return 2;
    } finally {
      source?.close();
    }
  }, into === undefined ? "what was restored before stays" : undefined);
}

function readSelection(
  paths: readonly string[],
  atText: string | undefined,
  isFolder: boolean,
): RestoreSelection {
  const names = paths.map((path) => path.replace(/^\/+|\/+$/g, "").normalize("NFC"));
  if (names.length === 0 && !isFolder) {
    throw new UsageError(
      "Cannot run restore: a path is missing; name worlds or collections, / for all, or --into a new folder",
    );
  }
  const at = atText === undefined ? undefined : parseSince(atText, Date.now());
  if (atText !== undefined && at === undefined) {
    throw new UsageError(
      `Cannot run restore: --at is ${
        sanitizeText(atText)
      }; a time such as 10:00, 2026-11-28T10:00 or 2h is needed`,
    );
  }
  return { names: names.length === 0 ? [""] : names, at };
}

async function restoreInto(
  source: RestoreSource,
  selection: RestoreSelection,
  into: string,
  options: OptionValues,
  signal: AbortSignal,
): Promise<number> {
  if (options["dry-run"] === true) {
    const selected = source.select(selection);
    for (const { name } of selected.found) console.log(sanitizeText(`/${name}: would be restored`));
    return report(source, selected, selection.at);
  }
  const progress = createTerminalProgress("restore", "worlds");
  let selected: Selected;
  try {
    selected = await restoreFolder(source, {
      ...selection,
      into,
      signal,
      onProgress: (done, total) => progress?.update(done, total),
    });
  } finally {
    progress?.end();
  }
  if (selected.found.length > 0) {
    console.log(`Restored ${selected.found.length} worlds into ${sanitizeText(into)}`);
  }
  return report(source, selected, selection.at);
}

async function restoreOnServer(
  source: RestoreSource,
  selection: RestoreSelection,
  options: OptionValues,
  signal: AbortSignal,
): Promise<number> {
  const url = getTextOption(options, "url");
  const { client, approveToken, token } = await selectTokens(
    resolveServer(await readEnvironment(), url),
    url !== undefined,
  );
  const selected = source.select(selection);
  let isComplete = true;
  for (const found of selected.found) {
    signal.throwIfAborted();
    const wanted = { ...source.read(found, selection.at), name: found.name };
    const isDry = options["dry-run"] === true;
    const { name, done, text } = await restoreWorld(client, approveToken ?? token, wanted, isDry);
    console.log(sanitizeText(`/${name}: ${text}`));
    isComplete &&= done;
  }
  const code = report(source, selected, selection.at);
  return isComplete ? code : 1;
}

/** Prints what could not be restored. */
function report(
  { isIncomplete }: RestoreSource,
  { found, lost }: Selected,
  at: string | undefined,
): number {
  if (isIncomplete) {
    console.error(
      "Worlds can be missing: no run of this backup has ended; run it again if you can",
    );
  }
  for (const { name, reason } of lost) {
    console.error(sanitizeText(`/${name}: cannot be restored: ${reason}`));
  }
  if (found.length === 0 && lost.length === 0) {
    console.error(
      `Nothing to restore: the backup has no such world${at === undefined ? "" : " at that time"}`,
    );
    return 1;
  }
  return lost.length === 0 && !isIncomplete ? 0 : 1;
}
