/**
 * The command `export`: writes all worlds of the data folder to one file. Only the operator should
 * read that file. `lib/archive/export_data.ts` decides what it contains.
 */

import { exportData, type ExportResult } from "../../archive/export_data.ts";
import { getTextOption, type OptionValues, UsageError } from "../parse_args.ts";
import type { CommandContext } from "../command.ts";
import { readConfig, readEnvironment } from "../../config.ts";
import { createTerminalProgress } from "../progress_bar.ts";
import { explainFsError } from "../../base/fs_error.ts";
import { sanitizeText } from "../../base/sanitize_text.ts";
import { UnusableEntry } from "../../world/file/data_folder.ts";
import { pathExists, tryRemove } from "../../world/file/durable_fs.ts";
import { exportFromStore } from "../store_transfer.ts";
import { runInterruptible } from "./on_interrupt.ts";

/**
 * Exports a data folder.
 *
 * @param words the file, or `-` for the standard output; by default named after the current time
 * @returns 0 if all worlds were exported, 1 if some could not be read, 2 if nothing was written, 3 if
 * the store of the settings cannot be reached
 * @throws {UsageError} if the standard output is a terminal
 * @throws {ConfigError} if a setting is invalid
 */
export async function run(
  [file]: readonly string[],
  _context: CommandContext,
  options: OptionValues,
): Promise<number> {
  const env = await readEnvironment();
  const config = readConfig(env);
  const named = getTextOption(options, "from");
  if (config.store !== undefined && named === undefined) {
    return await exportFromStore(file, config, options);
  }
  const data = named ?? config.data;
  const withKey = options["without-key"] !== true;
  const target = file ??
    `elastik-${new Date().toISOString().slice(0, 19).replace(/\D/g, "")}.tar.gz`;
  if (target === "-" && Deno.stdout.isTerminal()) {
    throw new UsageError("Cannot export to a terminal: name a file or use a pipe");
  }
  return await runInterruptible(async (signal) => {
    const progress = createTerminalProgress("export", "worlds");
    const sink = target === "-" ? { stream: Deno.stdout.writable } : openNew(target);
    if (sink === undefined) return 2;
    try {
      const exported = await exportData({
        data,
        sink: sink.stream,
        withKey,
        versions: config.history.versions,
        signal,
        onProgress: (done, total) => progress?.update(done, total),
      });
      sink.keep?.();
      progress?.end();
      return report(exported, {
        target,
        print: target === "-" ? console.error : console.log,
        withKey,
        ownKey: config.key !== undefined,
      });
    } catch (error) {
      progress?.end();
      sink.drop?.();
      if (signal.aborted || !(error instanceof Error)) throw error;
      const why = error instanceof Deno.errors.NotFound
        ? "there is no such folder"
        : explainFsError(error);
      const isComplete = error instanceof UnusableEntry;
      console.error(sanitizeText(isComplete ? error.message : `Cannot export ${data}: ${why}`));
      return 2;
    }
  });
}

interface Sink {
  readonly stream: WritableStream<Uint8Array<ArrayBuffer>>;
  keep?(): void;
  drop?(): void;
}

/** Opens a file that only this user can read. It has a temporary name until it is complete. */
function openNew(path: string): Sink | undefined {
  const part = `${path}.part-${crypto.randomUUID().slice(0, 8)}`;
  try {
    if (pathExists(path)) throw new Error("the file exists and is not overwritten");
    const file = Deno.openSync(part, { write: true, createNew: true, mode: 0o600 });
    return {
      stream: file.writable,
      keep: () => Deno.renameSync(part, path),
      drop: () => tryRemove(part),
    };
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    console.error(sanitizeText(`Cannot write ${path}: ${explainFsError(error)}`));
    return undefined;
  }
}

function report(
  { worlds, isLive: live, includesKey: key, includesRetiredKeys, damaged }: ExportResult,
  { target, print, withKey, ownKey }: {
    target: string;
    print: (line: string) => void;
    withKey: boolean;
    ownKey: boolean;
  },
): number {
  const size = target === "-" ? "" : `, ${Math.ceil(Deno.statSync(target).size / 1024)} KiB`;
  const running = live ? ", while its server runs" : "";
  print(
    `Exported ${worlds} worlds to ${
      target === "-" ? "the standard output" : target
    }${size}${running}`,
  );
  if (key && ownKey) {
    print(
      "Warning: the archive contains data/.key, but this server signs with ELASTIK_KEY, which is not included",
    );
  } else if (key) {
    print(
      "The archive contains the signing key, which can create capabilities: keep the file secret",
    );
  } else if (ownKey) {
    print(
      "The server signs with ELASTIK_KEY, which the archive does not contain: keep the key as well",
    );
  } else if (!withKey) {
    print("The archive does not contain the signing key: the import needs --key");
  }
  if (includesRetiredKeys && !key) {
    print("The archive contains the retired keys: keep the file secret");
  }
  for (const { folder, reason } of damaged) {
    console.error(sanitizeText(`Cannot export ${folder}: ${reason}`));
  }
  return damaged.length === 0 ? 0 : 1;
}
