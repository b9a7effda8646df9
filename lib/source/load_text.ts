/** A module's text as the runtime has it, from the disk or from the module cache; it is not run. */

/**
 * Loads the text behind a URL. What was once imported comes from the cache, without a network.
 *
 * @throws {Error} what the runtime throws when it cannot be had
 */
export async function loadText(url: string): Promise<string> {
  // The specifier is computed, so no bundler and no module graph takes it for a part of the program.
  const module: unknown = await import(url, { with: { type: "text" } });
  if (typeof module === "object" && module !== null && "default" in module) {
    if (typeof module.default === "string") return module.default;
  }
  throw new TypeError("Cannot load a module as text: it is none");
}
