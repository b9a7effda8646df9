/**
 * Builds the shipped plugins: generates modules of `plugins/kit/`, links every folder
 * `plugins/<name>/` that has a `mod.ts` into the file `plugins/<name>.ts`, and writes
 * `plugins/mod.ts`. Run it after every change below `plugins/`; a test fails if it was forgotten.
 */

import { PROBLEMS } from "../http/problem.ts";
import {
  formatTypeScript,
  mediaTypesModule,
  parserModule,
  problemTypesModule,
  readParserPackage,
} from "./generate_kit.ts";
import { formatPluginsModule } from "./generate_plugins_module.ts";
import { linkModules } from "./link_modules.ts";

/** Folder with sources that are linked into plugins and are not one themselves. */
const KIT = "kit";
/** The module that is linked as the sources of its package. */
const PARSER = "lib/deps/eventsource_parser.ts";

/** Returns the generated modules of the kit by path. */
export function generatedKit(): ReadonlyMap<string, string> {
  return new Map([
    ["plugins/kit/problem_types.ts", problemTypesModule(PROBLEMS)],
    ["plugins/kit/media_types.ts", mediaTypesModule()],
  ]);
}

/**
 * Links all plugins that have sources.
 *
 * @param root folder of the repository with a slash at the end
 * @returns texts of the plugins by path
 */
export async function linkedPlugins(root: string): Promise<ReadonlyMap<string, string>> {
  const parser = await formatTypeScript(parserModule(await readParserPackage(`${root}${PARSER}`)));
  const read = (path: string): string =>
    path === PARSER ? parser : Deno.readTextFileSync(`${root}${path}`);
  const linked = new Map<string, string>();
  for (const { name, isDirectory } of Deno.readDirSync(`${root}plugins`)) {
    if (!isDirectory || name === KIT) continue;
    linked.set(`plugins/${name}.ts`, linkModules(`plugins/${name}/mod.ts`, read));
  }
  return new Map([...linked].sort(([a], [b]) => a < b ? -1 : 1));
}

if (import.meta.main) {
  for (const [path, text] of generatedKit()) await Deno.writeTextFile(path, text);
  for (const [path, text] of await linkedPlugins("")) await Deno.writeTextFile(path, text);
  const files = [...Deno.readDirSync("plugins")].map(({ name }) => name);
  const installer = await Deno.readTextFile("plugins/install.sh");
  await Deno.writeTextFile("plugins/mod.ts", formatPluginsModule(files, installer));
}
