/** A temporary data folder for one test. */

/** Calls `use` with the path of an empty folder and removes the folder afterwards. */
export async function withTempData<T>(use: (data: string) => T | Promise<T>): Promise<T> {
  const data = await Deno.makeTempDir({ prefix: "data-" });
  try {
    return await use(data);
  } finally {
    await Deno.remove(data, { recursive: true });
  }
}

/** Returns all paths below a folder with size, time and mode, to detect changes. */
export function snapshot(folder: string): string[] {
  const found: string[] = [];
  for (const { name, isDirectory } of Deno.readDirSync(folder)) {
    const path = `${folder}/${name}`;
    const { size, mtime, mode } = Deno.lstatSync(path);
    found.push(`${path} ${isDirectory ? "" : size} ${mtime?.getTime()} ${mode}`);
    if (isDirectory) found.push(...snapshot(path));
  }
  return found.sort();
}
