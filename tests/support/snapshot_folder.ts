/** Returns a line for each path below a folder, with its size, time and mode, to detect changes. */
export function snapshotFolder(folder: string): string[] {
  const found: string[] = [];
  for (const { name, isDirectory } of Deno.readDirSync(folder)) {
    const path = `${folder}/${name}`;
    const { size, mtime, mode } = Deno.lstatSync(path);
    found.push(`${path} ${isDirectory ? "" : size} ${mtime?.getTime()} ${mode}`);
    if (isDirectory) found.push(...snapshotFolder(path));
  }
  return found.sort();
}
