/**
 * The command `install`: installs the shipped plugins, which this program contains, on a running
 * server. `lib/cli/client/install_plugins.ts` has the steps.
 */

import { getTextOption, type OptionValues } from "../parse_args.ts";
import type { CommandContext } from "../command.ts";
import { InstallError, installPlugins, resolvePluginNames } from "../client/install_plugins.ts";
import { resolveServer, UnreachableError } from "../client/server_client.ts";
import { selectTokens } from "../client/stored_token.ts";
import { readEnvironment } from "../../config.ts";

/**
 * Installs plugins.
 *
 * @param names plugins, or the name of a set
 * @returns 0 if all are installed, 1 if one was refused, 2 if nothing was tried, 3 if the server is
 * unreachable
 * @throws {UsageError} if the URL is malformed
 * @throws {ConfigError} if a setting is invalid
 */
export async function run(
  names: readonly string[],
  _context: CommandContext,
  options: OptionValues,
): Promise<number> {
  // Imported only here, because no other command needs the sources.
  const shipped = await import("../../../plugins/mod.ts");
  try {
    const all = options["with-semantic"] === true ? [...names, "semantic"] : names;
    const chosen = resolvePluginNames(all, {
      sources: shipped.pluginSources,
      sets: shipped.pluginSets,
    });
    const url = getTextOption(options, "url");
    const server = await selectTokens(
      resolveServer(await readEnvironment(), url),
      url !== undefined,
    );
    await installPlugins(server, chosen, shipped.pluginSources, (line) => console.log(line));
    return 0;
  } catch (error) {
    if (error instanceof InstallError) {
      console.error(error.message);
      if (error.installed.length > 0) {
        console.error(`Installed before that: ${error.installed.join(" ")}`);
      }
      return error.code;
    }
    if (error instanceof UnreachableError) {
      console.error(error.message);
      return 3;
    }
    throw error;
  }
}
