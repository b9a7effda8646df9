/**
 * Loads `/etc/revoked` into the authenticator, at the start and after every change. The store refuses a
 * malformed list; one that is malformed nevertheless, because the folder was edited or imported, or
 * that cannot be read, revokes every capability: what the operator meant to revoke is not known.
 */

import { parseRevokedList, REVOKED_WORLD, type RevokedList } from "../world/revoked_list.ts";
import type { Change, Store, World } from "../world/store.ts";
import type { Authenticator } from "./authenticate.ts";
import { readAgain } from "../world/read_again.ts";

/**
 * Loads the list and reloads it after each change.
 *
 * @param store the store that contains the world
 * @param authenticator receives the list
 * @param log writes one line to the server log if the list cannot be used
 */
export async function syncRevocations(
  store: Pick<Store, "read" | "watch">,
  authenticator: Pick<Authenticator, "setRevoked" | "suspendCapabilities">,
  log: (line: string) => void,
): Promise<void> {
  let newest = 0;
  let lastReason = "";

  function disable(reason: string): void {
    authenticator.setRevoked(EVERYTHING);
    if (reason !== lastReason) log(`no capability is accepted: ${reason}`);
    lastReason = reason;
  }

  function apply(world: World | undefined): void {
    const parsed = parseRevokedList(world?.body ?? new Uint8Array());
    if ("fault" in parsed) {
      disable(`/${REVOKED_WORLD}: ${parsed.fault}; replace the list, or delete it`);
    } else {
      lastReason = "";
      authenticator.setRevoked(parsed);
    }
  }

  async function load(): Promise<void> {
    const current = ++newest;
    try {
      const world = await store.read(REVOKED_WORLD);
      // An older load must not overwrite a newer one: it could accept a capability again.
      if (current === newest) apply(world);
    } catch (error) {
      if (current !== newest) return;
      disable(
        `/${REVOKED_WORLD} cannot be read: ${
          error instanceof Error ? error.message : String(error)
        }`,
      );
      readAgain(error, () => void (current === newest && load()));
    }
  }

  /**
   * Runs before the writer gets its response, so that a later request sees the new list. If the content
   * is not in memory, no capability is accepted until it has been read.
   */
  function change({ kind, world }: Change): void {
    if (kind === "update" && world === undefined) {
      authenticator.suspendCapabilities();
      void load();
      return;
    }
    // A load that has not ended reads an older list.
    newest++;
    apply(world);
  }

  store.watch(REVOKED_WORLD, change);
  await load();
}

/** Revokes every capability: each is at or below the root and was minted before the end of time. */
const EVERYTHING: RevokedList = {
  ids: new Set(),
  names: new Set(),
  prefixes: new Map([["/", Infinity]]),
};
