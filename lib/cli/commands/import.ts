/**
 * The command `import`: adds the worlds of an archive, of a data folder or of an elastik v5 to a
 * data folder whose server is stopped. `lib/archive/` decides how.
 */

import { ArchiveError } from "../../archive/archive_entry.ts";
import { SERVER_FOLDERS, serverFolderOf } from "../../archive/import_authority.ts";
import {
  ASIDE_FOLDER,
  ImportError,
  importFolder,
  type ImportResult,
} from "../../archive/import_data.ts";
import type { V5ChainResult } from "../../archive/v5_chain.ts";
import { unpackArchive } from "../../archive/unpack.ts";
import { getTextOption, type OptionValues } from "../parse_args.ts";
import type { CommandContext } from "../command.ts";
import { readConfig, readEnvironment } from "../../config.ts";
import { createTerminalProgress } from "../progress_bar.ts";
import { readKeyOption } from "../read_key_option.ts";
import { explainFsError } from "../../base/fs_error.ts";
import { sanitizeText } from "../../base/sanitize_text.ts";
import { InvalidSecret, UnusableEntry } from "../../world/file/data_folder.ts";
import { tryRemove } from "../../world/file/durable_fs.ts";
import { importToStore } from "../store_transfer.ts";
import { runInterruptible } from "./on_interrupt.ts";

/**
 * Imports worlds.
 *
 * @param words an archive, `-` for the standard input, or a folder
 * @returns 0 if all worlds were imported, 1 if some were rejected or do not verify, 2 if nothing
 * was done, 3 if the store of the settings cannot be reached
 * @throws {UsageError} if the key file cannot be read
 * @throws {ConfigError} if a setting is invalid
 */
export async function run(
  [from = ""]: readonly string[],
  _context: CommandContext,
  options: OptionValues,
): Promise<number> {
  const config = readConfig(await readEnvironment());
  const named = getTextOption(options, "into");
  if (config.store !== undefined && named === undefined) {
    return await importToStore(from, config, options);
  }
  const into = named ?? config.data;
  const given = readKeyOption(getTextOption(options, "key"));
  return await runInterruptible(async (signal) => {
    const progress = createTerminalProgress("import", "worlds");
    let unpacked: string | undefined;
    try {
      const archive = openArchive(from);
      if (archive !== undefined) {
        unpacked = Deno.makeTempDirSync({ dir: parentOf(into), prefix: ".import-" });
        await unpackArchive(archive.pipeThrough(new TransformStream(), { signal }), unpacked);
      }
      const imported = await importFolder({
        source: unpacked ?? from,
        into,
        merge: options.merge === true,
        key: given?.key,
        ...(given === undefined ? {} : { retiredKeys: given.retired }),
        newKey: options["with-key"] !== true,
        take: {
          accounts: options["with-accounts"] === true,
          plugins: options["with-plugins"] === true,
          system: options["with-system"] === true,
        },
        serverKey: config.key,
        now: new Date().toISOString(),
        signal,
        onProgress: (done, total) => progress?.update(done, total),
      });
      progress?.end();
      for (const line of formatReport(imported, into)) console.log(sanitizeText(line));
      return isComplete(imported) ? 0 : 1;
    } catch (error) {
      progress?.end();
      if (signal.aborted || !(error instanceof Error)) throw error;
      const isExpected = error instanceof ArchiveError || error instanceof ImportError ||
        error instanceof InvalidSecret || error instanceof UnusableEntry;
      console.error(
        sanitizeText(
          isExpected ? error.message : `Cannot import ${from}: ${explainFsError(error)}`,
        ),
      );
      return 2;
    } finally {
      if (unpacked !== undefined) tryRemove(unpacked);
    }
  });
}

/** Formats the report of an import, one line per item. */
export function formatReport(imported: ImportResult, into: string): string[] {
  const {
    worlds,
    same,
    conflicts,
    broken,
    rejected,
    v5Worlds,
    active,
    demoted,
    adoptedKey,
    withheld,
    withheldKey,
  } = imported;
  return [
    ...v5Worlds.map(({ name, result }) => `${name}: ${formatV5Result(result)}`),
    ...broken.map(({ name, faults }) =>
      `${name}: does not verify: ${
        faults.map(({ check, reason }) => `${check}: ${reason}`).join("; ")
      }`
    ),
    ...conflicts.map((name) => `${name}: exists already and differs; it was not changed`),
    ...rejected.map(({ folder, reason, aside }) =>
      `${folder}: not imported: ${reason}${aside ? `; a copy is in ${into}/${ASIDE_FOLDER}/` : ""}`
    ),
    ...active.map((name) => `${name}: active plugin, starts with the server`),
    ...demoted.map((name) => `${name}: plugin that was active there; it needs approval here`),
    ...accountLines(worlds),
    ...withheldLines(withheld, withheldKey),
    `Imported ${worlds.length} worlds into ${into}` +
    (same.length > 0 ? `; ${same.length} existed already` : ""),
    ...(adoptedKey
      ? [
        "The signing key of the archive was adopted: its author can create capabilities",
      ]
      : []),
  ];
}

/** Checks whether every world of the source is now in the folder and verifies. */
export function isComplete(
  { conflicts, broken, rejected, v5Worlds }: ImportResult,
): boolean {
  return conflicts.length + broken.length === 0 && rejected.every(({ harmless }) => harmless) &&
    v5Worlds.every(({ result }) => result.chain !== "broken" && result.body !== "differs");
}

/** Two worlds decide which accounts exist, and they may come from another server. */
function accountLines(worlds: readonly string[]): string[] {
  const found = worlds.filter((name) => name === "etc/passwd" || name === "etc/shadow");
  return found.length === 0
    ? []
    : [`${found.join(" and ")}: the accounts of the source are accounts of this server`];
}

/** One sentence for each kind of what was left out. */
function withheldLines(withheld: ImportResult["withheld"], withheldKey: boolean): string[] {
  const namesOf = (kind: string) =>
    withheld.filter(({ needs }) => needs === kind).map(({ name }) => name);
  const [accounts, system] = [namesOf("accounts"), namesOf("system")];
  return [
    ...(accounts.length > 0
      ? [
        `${
          accounts.join(" and ")
        }: not imported, because accounts give rights; --with-accounts takes them`,
      ]
      : []),
    ...SERVER_FOLDERS.flatMap((of) => {
      const { length } = system.filter((name) => serverFolderOf(name) === of);
      return length === 0 ? [] : [
        `${of.folder}: ${length} ${
          length === 1 ? "world" : "worlds"
        } not imported, because ${of.reason}; --with-system takes them`,
      ];
    }),
    ...system.filter((name) => serverFolderOf(name) === undefined).map((name) =>
      `${name}: not imported, because it configures or extends this server; --with-system takes it`
    ),
    ...(withheldKey
      ? [
        "The signing key of the source was not adopted, so its capabilities do not work here; --with-key adopts it",
      ]
      : []),
  ];
}

function formatV5Result({ chain, events, broken_at: at, body }: V5ChainResult): string {
  const chainWords = {
    holds: `its chain of ${events} events is valid`,
    broken: `its chain of ${events} events is broken at event ${at}`,
    unchecked: `its chain of ${events} events is consistent; --key would check its signatures`,
    empty: "it has no events",
  }[chain];
  const bodyWords =
    { holds: "", differs: ", its content does not match its last event", untold: "" }[body];
  return `from elastik v5: ${chainWords}${bodyWords}`;
}

/** Opens an archive; returns undefined for a folder. */
function openArchive(from: string): ReadableStream<Uint8Array<ArrayBuffer>> | undefined {
  if (from === "-") return Deno.stdin.readable;
  return Deno.statSync(from).isDirectory ? undefined : Deno.openSync(from).readable;
}

/**
 * Folder in which the archive is unpacked, on the same file system as the data folder: worlds can
 * be renamed into place.
 */
function parentOf(into: string): string {
  const path = into.replace(/\/+$/, "");
  const slash = path.lastIndexOf("/");
  const parent = slash < 0 ? "." : path.slice(0, slash) || "/";
  Deno.mkdirSync(parent, { recursive: true });
  return parent;
}
