/**
 * The command `install`: the shipped plugins, which travel in this program, brought to a running
 * machine. What it does there is decided in `lib/cli/client/install_plugins.ts`.
 */

import { type Options, textOption } from "../parse_args.ts";
import type { CommandContext } from "../command.ts";
import { chosenPlugins, installPlugins, InstallStopped } from "../client/install_plugins.ts";
import { addressed, Unreachable } from "../client/server_client.ts";
import { readEnvironment } from "../../config.ts";

/**
 * Installs.
 *
 * @param names plugins, or the name of a set of them
 * @returns 0 all is up, 1 one was refused, 2 nothing was tried, 3 nobody answers
 * @throws {UsageError} {@link ConfigError}
 */
export async function run(
  names: readonly string[],
  _context: CommandContext,
  options: Options,
): Promise<number> {
  // Only here: the sources are of no use to any other command.
  const shelf = await import("../../../plugins/mod.ts");
  try {
    const all = options["with-semantic"] === true ? [...names, "semantic"] : names;
    const chosen = chosenPlugins(all, { sources: shelf.pluginSources, sets: shelf.pluginSets });
    const to = addressed(await readEnvironment(), textOption(options, "url"));
    await installPlugins(to, chosen, shelf.pluginSources, (line) => console.log(line));
    return 0;
  } catch (error) {
    if (error instanceof InstallStopped) {
      console.error(error.message);
      if (error.installed.length > 0) {
        console.error(`Installed before that: ${error.installed.join(" ")}`);
      }
      return error.code;
    }
    if (error instanceof Unreachable) {
      console.error(error.message);
      return 3;
    }
    throw error;
  }
}
