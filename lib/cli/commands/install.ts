/**
 * The command `install`: installs plugins on a running server: shipped ones, which this program
 * contains, or a file or folder of the author. `lib/cli/client/install_plugins.ts` has the steps.
 */

import { getTextOption, type OptionValues, UsageError } from "../parse_args.ts";
import type { CommandContext } from "../command.ts";
import { sanitizeText } from "../../base/sanitize_text.ts";
import { BuildError, buildPlugin } from "../client/bundle_plugin.ts";
import {
  InstallError,
  installPlugins,
  type NamedSource,
  resolvePluginNames,
} from "../client/install_plugins.ts";
import { findPluginEntry, isPluginPath } from "../client/plugin_entry.ts";
import { resolveServer, UnreachableError } from "../client/server_client.ts";
import { selectTokens } from "../client/stored_token.ts";
import { readEnvironment } from "../../config.ts";

/**
 * Installs plugins.
 *
 * @param words plugins, the name of a set, or paths
 * @returns 0 if all are installed, 1 if one was refused, 2 if nothing was tried, 3 if the server is
 * unreachable
 * @throws {UsageError} if the URL is malformed
 * @throws {ConfigError} if a setting is invalid
 */
export async function run(
  words: readonly string[],
  _context: CommandContext,
  options: OptionValues,
): Promise<number> {
  // Imported only here, because no other command needs the sources.
  const shipped = await import("../../../plugins/mod.ts");
  try {
    const { pluginSources, pluginSets } = shipped;
    const name = getTextOption(options, "name");
    if (name !== undefined && (words.length !== 1 || !isPluginPath(words[0] ?? ""))) {
      throw new UsageError("Cannot run install: --name is for one file or folder");
    }
    const names = words.filter((word) => !isPluginPath(word));
    const all = options["with-semantic"] === true ? [...names, "semantic"] : names;
    const chosen: NamedSource[] = resolvePluginNames(all, {
      sources: pluginSources,
      sets: pluginSets,
    }).map((shippedName) => ({
      name: shippedName,
      text: pluginSources[shippedName] ?? "",
      ext: "ts",
    }));
    for (const path of words.filter(isPluginPath)) {
      const entry = await findPluginEntry(path, name);
      chosen.push({ name: entry.name, ...await buildPlugin(entry) });
    }
    const url = getTextOption(options, "url");
    const server = await selectTokens(
      resolveServer(await readEnvironment(), url),
      url !== undefined,
    );
    await installPlugins(server, chosen, { print: (line) => console.log(line) });
    return 0;
  } catch (error) {
    if (error instanceof BuildError) {
      const lines = error.message.split("\n").map(sanitizeText);
      console.error(`Cannot build ${lines.join("\n")}`);
      return 2;
    }
    if (error instanceof InstallError) {
      for (const line of [error.message, ...error.excerpt]) console.error(line);
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
