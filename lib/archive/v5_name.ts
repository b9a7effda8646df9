/**
 * Converts names of elastik v5 and earlier. Its folders are names with `/` encoded as `%2F` and
 * nothing else encoded. A name outside the namespaces becomes one below `/home`. Pure.
 */

import { isInNamespace, nameFault } from "../world/name.ts";

/** Name of a v5 world, before and after the conversion. */
export interface V5Name {
  readonly original: string;
  readonly name: string;
  /** Why `name` is not a valid world name; absent if it is valid. */
  readonly fault?: string;
}

/** Converts the folder name of a v5 world. */
export function convertV5Name(folder: string): V5Name {
  const original = folder.replaceAll("%2F", "/");
  const placed = original.includes("/") && isInNamespace(original) ? original : `home/${original}`;
  const name = placed.normalize("NFC");
  const fault = nameFault(name);
  return { original, name, ...(fault === undefined ? {} : { fault }) };
}
