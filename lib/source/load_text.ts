/** Loads the text of a module from the disk or the module cache, without running it. */

/**
 * Loads the text of a URL. A module that was imported before comes from the cache, without a
 * network.
 *
 * @throws any error of the runtime if the module cannot be loaded
 */
export async function loadText(url: string): Promise<string> {
  // The specifier is computed, so that bundlers and the module graph do not include it.
  const module: unknown = await import(url, { with: { type: "text" } });
  if (typeof module === "object" && module !== null && "default" in module) {
    if (typeof module.default === "string") return module.default;
  }
  throw new TypeError("Cannot load URL as text: it is not a module");
}
