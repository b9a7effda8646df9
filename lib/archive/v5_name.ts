/**
 * What the worlds of the original elastik (v5 and before) are called here. Its folders are names with `/`
 * as `%2F` and nothing else escaped; a name outside the system's folders was one of `/home`. Pure.
 */

import { inNamespace, nameFault } from "../world/name.ts";

/** A world of the original: what it was called there, and here or why not. */
export interface OriginalName {
  readonly original: string;
  readonly name: string;
  /** Why `name` cannot be a world here. */
  readonly fault?: string;
}

/** Names the world that a folder of the original held. */
export function originalName(folder: string): OriginalName {
  const original = folder.replaceAll("%2F", "/");
  const placed = original.includes("/") && inNamespace(original) ? original : `home/${original}`;
  const name = placed.normalize("NFC");
  const fault = nameFault(name);
  return { original, name, ...(fault === undefined ? {} : { fault }) };
}
