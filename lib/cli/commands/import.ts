/**
 * The command `import`: the worlds of an archive, of a data folder or of an original elastik, brought
 * into a data folder whose server is off. What becomes of them is decided in `lib/archive/`.
 */

import { ArchiveRefused } from "../../archive/archive_entry.ts";
import { ASIDE, type Imported, importFolder, ImportRefused } from "../../archive/import_data.ts";
import type { OriginalVerdict } from "../../archive/v5_chain.ts";
import { unpackArchive } from "../../archive/unpack.ts";
import { type Options, textOption, UsageError } from "../parse_args.ts";
import type { CommandContext } from "../command.ts";
import { readConfig, readEnvironment } from "../../config.ts";
import { terminalProgress } from "../progress_bar.ts";
import { oneLine } from "../../base/sanitize_text.ts";
import { SecretUnusable } from "../../world/file/data_folder.ts";
import { removeQuietly } from "../../world/file/durable_fs.ts";
import { interruptible } from "./on_interrupt.ts";

/**
 * Imports.
 *
 * @param words an archive, `-` for the standard input, or a folder
 * @returns 0 all worlds, 1 some were not brought in or do not hold, 2 nothing was done
 * @throws {UsageError} {@link ConfigError}
 */
export async function run(
  [from = ""]: readonly string[],
  _context: CommandContext,
  options: Options,
): Promise<number> {
  const config = readConfig(await readEnvironment());
  const into = textOption(options, "into") ?? config.data;
  const key = keyOption(textOption(options, "key"));
  return await interruptible(async (signal) => {
    const progress = terminalProgress("import", "worlds");
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
        key,
        newKey: options["new-key"] === true,
        machineKey: config.key,
        now: new Date().toISOString(),
        signal,
        onProgress: (done, total) => progress?.update(done, total),
      });
      progress?.end();
      for (const line of reportLines(imported, into)) console.log(oneLine(line));
      return isWhole(imported) ? 0 : 1;
    } catch (error) {
      progress?.end();
      if (signal.aborted || !(error instanceof Error)) throw error;
      const told = error instanceof ArchiveRefused || error instanceof ImportRefused ||
        error instanceof SecretUnusable;
      console.error(oneLine(told ? error.message : `Cannot import ${from}: ${error.message}`));
      return 2;
    } finally {
      if (unpacked !== undefined) removeQuietly(unpacked);
    }
  });
}

/** What is told of an import, a line each. */
export function reportLines(imported: Imported, into: string): string[] {
  const { worlds, same, conflicts, broken, refused, originals, active, sunk, key } = imported;
  return [
    ...originals.map(({ name, verdict }) => `${name}: ${verdictWords(verdict)}`),
    ...broken.map(({ name, faults }) =>
      `${name}: does not hold: ${
        faults.map(({ check, reason }) => `${check}: ${reason}`).join("; ")
      }`
    ),
    ...conflicts.map((name) => `${name}: is there already and differs; it stays as it is`),
    ...refused.map(({ folder, reason, aside }) =>
      `${folder}: not imported: ${reason}${aside ? `; kept in ${into}/${ASIDE}/` : ""}`
    ),
    ...active.map((name) => `${name}: a plugin that starts with the machine`),
    ...sunk.map((name) => `${name}: a plugin that ran there, and waits for an approval here`),
    ...accounts(worlds),
    `Imported ${worlds.length} worlds into ${into}` +
    (same.length > 0 ? `; ${same.length} were there already` : ""),
    ...(key
      ? [
        "The signing key came along: whoever made the archive can mint capabilities; --new-key does without",
      ]
      : []),
  ];
}

/** Whether everything that there was is there now, and holds. */
export function isWhole({ conflicts, broken, refused, originals }: Imported): boolean {
  return conflicts.length + broken.length === 0 && refused.every(({ harmless }) => harmless) &&
    originals.every(({ verdict }) => verdict.chain !== "broken" && verdict.body !== "differs");
}

/** Who can sign in is decided by two worlds, which may have come from somebody else. */
function accounts(worlds: readonly string[]): string[] {
  const found = worlds.filter((name) => name === "etc/passwd" || name === "etc/shadow");
  return found.length === 0
    ? []
    : [`${found.join(" and ")}: accounts of that machine are accounts here`];
}

function verdictWords({ chain, events, broken_at: at, body }: OriginalVerdict): string {
  const chainWords = {
    holds: `its chain of ${events} events holds`,
    broken: `its chain of ${events} events is broken at event ${at}`,
    unchecked: `its chain of ${events} events hangs together; --key would check who signed it`,
    empty: "it has no events",
  }[chain];
  const bodyWords =
    { holds: "", differs: ", its bytes are not those it tells of", untold: "" }[body];
  return `from elastik v5: ${chainWords}${bodyWords}`;
}

/** The archive's bytes, or `undefined` for a folder. */
function openArchive(from: string): ReadableStream<Uint8Array<ArrayBuffer>> | undefined {
  if (from === "-") return Deno.stdin.readable;
  return Deno.statSync(from).isDirectory ? undefined : Deno.openSync(from).readable;
}

/** Where the archive is unpacked, so that what is in it need only be renamed. */
function parentOf(into: string): string {
  const path = into.replace(/\/+$/, "");
  const slash = path.lastIndexOf("/");
  const parent = slash < 0 ? "." : path.slice(0, slash) || "/";
  Deno.mkdirSync(parent, { recursive: true });
  return parent;
}

/** A key as it is, or what a file holds: the list of processes shows the command line. */
function keyOption(text: string | undefined): string | undefined {
  if (text === undefined || !text.startsWith("@")) return text;
  try {
    return Deno.readTextFileSync(text.slice(1)).trim();
  } catch {
    throw new UsageError(
      `Cannot read the key from ${oneLine(text.slice(1))}: there is no such file`,
    );
  }
}
