/**
 * Writes `worlds/mod.ts`, the module that carries every birth world into the program as text, so that
 * a run from a URL, a bundle and a binary have them as a checkout has. Run it after adding or removing
 * a file below `worlds/`; a test says so when it was forgotten.
 */

/** The module's text for the files below a folder. */
export function birthModule(paths: readonly string[]): string {
  const sorted = [...paths].sort();
  const imports = sorted.map((path, i) =>
    `import w${i} from ${JSON.stringify(`./${path}`)} with { type: "text" };`
  );
  const entries = sorted.map((path, i) => `  ${JSON.stringify(path)}: w${i},`);
  return [
    "/**",
    " * The worlds every machine is born with, as text by path. Made by `deno task worlds`; edit the",
    " * files beside it, never this one.",
    " */",
    "",
    "// deno-fmt-ignore-file",
    ...imports,
    "",
    "/** Contents of the files below `worlds/` by their paths. */",
    "export const birthWorlds: Readonly<Record<string, string>> = {",
    ...entries,
    "};",
    "",
  ].join("\n");
}

/** Paths of all files below a folder, relative to it, with forward slashes. */
export async function filesBelow(folder: string, prefix = ""): Promise<string[]> {
  const found: string[] = [];
  for await (const entry of Deno.readDir(`${folder}/${prefix}`)) {
    const path = `${prefix}${entry.name}`;
    if (entry.isDirectory) found.push(...await filesBelow(folder, `${path}/`));
    else if (path !== "mod.ts" && !entry.name.startsWith(".")) found.push(path);
  }
  return found;
}

if (import.meta.main) {
  await Deno.writeTextFile("worlds/mod.ts", birthModule(await filesBelow("worlds")));
}
