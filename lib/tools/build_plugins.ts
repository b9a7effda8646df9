/**
 * Builds the shipped plugins: generates modules of `plugins/kit/`, links the `mod.ts` of every other
 * folder `plugins/<name>/` into the file `plugins/<name>.ts`, and writes `plugins/mod.ts`. Run it after
 * every change below `plugins/`; a test fails if it was forgotten. If a source cannot be linked, it
 * writes nothing.
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
import { LinkError, linkModules } from "./link_modules.ts";

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
 * @throws {LinkError} if a source has a syntax error or cannot be linked
 */
export async function linkedPlugins(root: string): Promise<ReadonlyMap<string, string>> {
  const parser = await formatTypeScript(parserModule(await readParserPackage(`${root}${PARSER}`)));
  const given = new Map([...generatedKit(), [PARSER, parser]]);
  const sources = new Set<string>();
  const read = (path: string): string | undefined => {
    const text = given.get(path) ?? readIfExists(`${root}${path}`);
    if (!given.has(path) && text !== undefined) sources.add(path);
    return text;
  };
  const linked = new Map<string, string>();
  for (const { name, isDirectory } of Deno.readDirSync(`${root}plugins`)) {
    if (!isDirectory || name === KIT) continue;
    linked.set(`plugins/${name}.ts`, linkModules(`plugins/${name}/mod.ts`, read));
  }
  await assertSyntax(root, [...sources]);
  return new Map([...linked].sort(([a], [b]) => a < b ? -1 : 1));
}

function readIfExists(path: string): string | undefined {
  try {
    return Deno.readTextFileSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

/** Parses files with `deno lint`, whose report separates syntax errors from findings. */
async function assertSyntax(root: string, paths: readonly string[]): Promise<void> {
  if (paths.length === 0) return;
  const { stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["lint", "--json", "--no-config", ...paths],
    cwd: root === "" ? "." : root,
    stderr: "inherit",
  }).output();
  const { errors }: { errors: { file_path: string; message: string }[] } = JSON.parse(
    new TextDecoder().decode(stdout),
  );
  const [error] = errors;
  if (error === undefined) return;
  const file = error.file_path.replaceAll("\\", "/");
  const path = paths.find((path) => file.endsWith(`/${path}`)) ?? file;
  const [, line = "1"] = /:(\d+):\d+\s*$/.exec(error.message) ?? [];
  throw new LinkError(path, Number(line), error.message.split("\n", 1)[0] ?? "a syntax error");
}

/** Builds everything in the working folder and returns a line about it. */
async function build(): Promise<string> {
  const linked = await linkedPlugins("");
  const files = [...Deno.readDirSync("plugins")].map(({ name }) => name);
  const names = new Set([
    ...files,
    ...[...linked.keys()].map((path) => path.slice("plugins/".length)),
  ]);
  const installer = await Deno.readTextFile("plugins/install.sh");
  const plugins = formatPluginsModule([...names], installer);
  let changed = 0;
  for (const [path, text] of [...generatedKit(), ...linked, ["plugins/mod.ts", plugins] as const]) {
    if (readIfExists(path) === text) continue;
    await Deno.writeTextFile(path, text);
    if (linked.has(path)) changed++;
  }
  return `${linked.size} ${linked.size === 1 ? "plugin" : "plugins"} linked, ${changed} changed`;
}

if (import.meta.main) {
  try {
    console.log(await build());
  } catch (error) {
    if (!(error instanceof LinkError)) throw error;
    console.error(error.message);
    Deno.exit(1);
  }
}
