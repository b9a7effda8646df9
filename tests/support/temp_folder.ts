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
    await Deno.remove(folder, { recursive: true });
  }
}
