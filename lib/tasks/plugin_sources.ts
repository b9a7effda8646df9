/**
 * Makes the text of `plugins/mod.ts`, the module that carries every shipped plugin into the program as
 * text, so that `install` finds them in a run from a URL, in a bundle and in a binary. The sets are
 * those of `plugins/install.sh`. `deno task plugins` writes the file.
 */

/** The module's text for the files of the folder, which may be any. */
export function pluginModule(files: readonly string[], installer: string): string {
  const names = files.filter((file) => file.endsWith(".ts") && file !== "mod.ts")
    .map((file) => file.slice(0, -".ts".length)).sort();
  return [
    "/**",
    " * The shipped plugins, as text by name. Made by `deno task plugins`; edit the files beside it,",
    " * never this one.",
    " */",
    "",
    "// deno-fmt-ignore-file",
    ...names.map((name, i) =>
      `import p${i} from ${JSON.stringify(`./${name}.ts`)} with { type: "text" };`
    ),
    "",
    "/** Sources of the files in `plugins/` by their names. */",
    "export const pluginSources: Readonly<Record<string, string>> = {",
    ...names.map((name, i) => `  ${JSON.stringify(name)}: p${i},`),
    "};",
    "",
    "/** Names that stand for several plugins. */",
    "export const pluginSets: Readonly<Record<string, readonly string[]>> = {",
    ...Object.entries(pluginSets(installer)).map(([name, members]) =>
      `  ${JSON.stringify(name)}: ${JSON.stringify(members)},`
    ),
    "};",
    "",
  ].join("\n");
}

/** The sets that the install script knows, `primitives='gpu fstab …'`. */
export function pluginSets(installer: string): Record<string, string[]> {
  const members = /^primitives='([^']*)'$/m.exec(installer)?.[1];
  if (members === undefined) {
    throw new Error("Cannot read the sets: install.sh names no primitives");
  }
  return { primitives: members.split(" ") };
}
