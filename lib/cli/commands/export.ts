/**
 * The command `export`: all worlds of the data folder as one file, for whoever may read everything in it.
 * What goes in is decided in `lib/archive/export_data.ts`.
 */

import { exportData, type Exported } from "../../archive/export_data.ts";
import { type Options, textOption, UsageError } from "../parse_args.ts";
import type { CommandContext } from "../command.ts";
import { readConfig, readEnvironment } from "../../config.ts";
import { terminalProgress } from "../progress_bar.ts";
import { oneLine } from "../../base/sanitize_text.ts";
import { exists, removeQuietly } from "../../world/file/durable_fs.ts";
import { interruptible } from "./on_interrupt.ts";

/**
 * Exports.
 *
 * @param words the file, `-` for the standard output; one named after the time unless given
 * @returns 0 all worlds, 1 some could not be read, 2 nothing was written
 * @throws {UsageError} {@link ConfigError}
 */
export async function run(
  [file]: readonly string[],
  _context: CommandContext,
  options: Options,
): Promise<number> {
  const env = await readEnvironment();
  const config = readConfig(env);
  const data = textOption(options, "from") ?? config.data;
  const withKey = options["without-key"] !== true;
  const target = file ??
    `elastik-${new Date().toISOString().slice(0, 19).replace(/\D/g, "")}.tar.gz`;
  if (target === "-" && Deno.stdout.isTerminal()) {
    throw new UsageError("Cannot export to a terminal: name a file, or pipe it somewhere");
  }
  return await interruptible(async (signal) => {
    const progress = terminalProgress("export", "worlds");
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
        say: target === "-" ? console.error : console.log,
        withKey,
        ownKey: config.key !== undefined,
      });
    } catch (error) {
      progress?.end();
      sink.drop?.();
      if (signal.aborted || !(error instanceof Error)) throw error;
      const why = error instanceof Deno.errors.NotFound ? "there is no such folder" : error.message;
      console.error(`Cannot export ${data}: ${why}`);
      return 2;
    }
  });
}

interface Sink {
  readonly stream: WritableStream<Uint8Array<ArrayBuffer>>;
  keep?(): void;
  drop?(): void;
}

/** A file that has its name only when it is whole, and that this user alone can read. */
function openNew(path: string): Sink | undefined {
  const part = `${path}.part-${crypto.randomUUID().slice(0, 8)}`;
  try {
    if (exists(path)) throw new Error("it is there already, and nothing is overwritten");
    const file = Deno.openSync(part, { write: true, createNew: true, mode: 0o600 });
    return {
      stream: file.writable,
      keep: () => Deno.renameSync(part, path),
      drop: () => removeQuietly(part),
    };
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    console.error(`Cannot write ${path}: ${error.message}`);
    return undefined;
  }
}

function report(
  { worlds, live, key, damaged }: Exported,
  { target, say, withKey, ownKey }: {
    target: string;
    say: (line: string) => void;
    withKey: boolean;
    ownKey: boolean;
  },
): number {
  const size = target === "-" ? "" : `, ${Math.ceil(Deno.statSync(target).size / 1024)} KiB`;
  const beside = live ? ", beside its server" : "";
  say(
    `Exported ${worlds} worlds to ${
      target === "-" ? "the standard output" : target
    }${size}${beside}`,
  );
  if (key && ownKey) {
    say(
      "In it is the folder's signing key, though the machine signs with ELASTIK_KEY, which is not",
    );
  } else if (key) {
    say(
      "In it is the signing key: whoever has the file can mint capabilities; keep it to yourself",
    );
  } else if (ownKey) {
    say("The machine signs with ELASTIK_KEY, which is not in it: keep that as well");
  } else if (!withKey) {
    say("The signing key is not in it: to import it takes --key");
  }
  for (const { folder, reason } of damaged) {
    console.error(oneLine(`Cannot export ${folder}: ${reason}`));
  }
  return damaged.length === 0 ? 0 : 1;
}
