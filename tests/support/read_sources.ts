/** Root of the project. */
const ROOT = new URL("../../", import.meta.url);

/**
 * Reads all TypeScript files below a folder of the project.
 *
 * @param folder path below the root of the project, such as `lib/`
 * @returns the texts by their paths below the root
 */
export async function readSources(folder: string): Promise<Map<string, string>> {
  const found = new Map<string, string>();
  for await (const { name, isDirectory } of Deno.readDir(new URL(folder, ROOT))) {
    const path = `${folder}${name}`;
    if (isDirectory) {
      for (const [file, text] of await readSources(`${path}/`)) found.set(file, text);
    } else if (name.endsWith(".ts")) {
      found.set(path, await Deno.readTextFile(new URL(path, ROOT)));
    }
  }
  return found;
}
