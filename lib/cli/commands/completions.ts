/**
 * The command `completions`: what a shell needs to complete this program's commands, on the standard
 * output. The scripts are made in `lib/cli/completion_scripts.ts`.
 */

import { UsageError } from "../parse_args.ts";
import type { CommandContext } from "../command.ts";
import { completionScript, SHELLS } from "../completion_scripts.ts";
import { oneLine } from "../../base/sanitize_text.ts";

/**
 * Prints a script.
 *
 * @param words one shell
 * @throws {UsageError} for a shell that is not known
 */
export async function run(
  [asked = ""]: readonly string[],
  { commands }: CommandContext,
): Promise<number> {
  const shell = SHELLS.find((name) => name === asked);
  if (shell === undefined) {
    throw new UsageError(`Cannot complete for ${oneLine(asked)}: there are ${SHELLS.join(", ")}`);
  }
  const { pluginSets, pluginSources } = await import("../../../plugins/mod.ts");
  console.log(
    completionScript(shell, commands, [...Object.keys(pluginSets), ...Object.keys(pluginSources)]),
  );
  return 0;
}
