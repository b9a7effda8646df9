/**
 * Calls `use` with the real path of an empty folder and removes the folder afterwards.
 *
 * @returns the result of `use`
 */
export async function withTempFolder<T>(use: (folder: string) => T | Promise<T>): Promise<T> {
  const folder = await Deno.realPath(await Deno.makeTempDir({ prefix: "elastik-test-" }));
  try {
    return await use(folder);
  } finally {
    await removeFolder(folder);
  }
}

/**
 * Removes a folder in which another program may work: it gets another name first, so that no file can
 * appear in it by its path.
 */
export async function removeFolder(path: string): Promise<void> {
  const gone = `${path}.removed`;
  await Deno.rename(path, gone);
  await Deno.remove(gone, { recursive: true });
}
