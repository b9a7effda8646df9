/**
 * The worlds that store dead properties: their names, and whose quotas they count for. A record counts
 * where its resource is, for the caller that set the properties, with its bytes and not as a world.
 */

import { ANONYMOUS } from "../../auth/authenticate.ts";
import { canRead } from "../../auth/policy.ts";
import { sha256Hex } from "../../base/hash.ts";
import type { AttachedWorlds } from "../../world/quota.ts";
import { type Store, StoreError } from "../../world/store.ts";

const HASH_DIGITS = 32;
/** The caller of all changes of records: only this module's users write them. */
export const RECORD_CALLER = "dav";
/**
 * Folders of the records: for resources that all callers can read, and for those only T3 can read.
 */
export const RECORD_FOLDERS = ["var/lib/dav", "boot/dav"] as const;
const decoder = new TextDecoder();

/** Returns the name of the world that stores the properties of a path. */
export function recordWorldName(path: string): string {
  const folder = RECORD_FOLDERS[canRead(ANONYMOUS, path) ? 0 : 1];
  return `${folder}/${sha256Hex(path).slice(0, HASH_DIGITS)}.json`;
}

/** The records, for quotas. A record that was edited outside the server counts for its own path. */
export const PROPERTY_RECORDS: AttachedWorlds = {
  isAttached: ({ name, by }) =>
    (by === RECORD_CALLER || by === "") &&
    RECORD_FOLDERS.some((folder) => name.startsWith(`${folder}/`)),
  ownerOf({ name, body }) {
    let value: unknown;
    try {
      value = JSON.parse(decoder.decode(body));
    } catch {
      return undefined; // not a record
    }
    if (typeof value !== "object" || value === null) return undefined;
    const { of, by = "" }: Record<string, unknown> = { ...value };
    if (typeof of !== "string" || typeof by !== "string" || recordWorldName(of) !== name) {
      return undefined;
    }
    return { name: of.slice(1), by };
  },
};

/**
 * Removes the properties of a world that was deleted. If that is not possible now, the record remains:
 * it has the identity of the world, so no other world gets them.
 */
export async function removePropertyRecord(
  store: Pick<Store, "isCollection" | "stat" | "remove">,
  path: string,
): Promise<void> {
  if (RECORD_FOLDERS.every((folder) => !store.isCollection(folder))) return;
  const name = recordWorldName(path);
  if (store.stat(name) === undefined) return;
  try {
    await store.remove({ name, by: RECORD_CALLER });
  } catch (error) {
    if (!(error instanceof StoreError)) throw error;
  }
}
