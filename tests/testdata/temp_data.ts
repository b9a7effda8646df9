/** A data folder for one test, which is gone after it. */

/** Calls `use` with the path of an empty folder, and removes it afterwards whatever happened. */
export async function withTempData<T>(use: (data: string) => T | Promise<T>): Promise<T> {
  const data = await Deno.makeTempDir({ prefix: "data-" });
  try {
    return await use(data);
  } finally {
    await Deno.remove(data, { recursive: true });
  }
}

/** Every path below a folder with size, mode and modification time: what a look must not change. */
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
