/** A store on the disk, as the tests of its change index use it. */

import { acquireDataFolder } from "../../lib/world/file/data_folder.ts";
import type { ChangePage } from "../../lib/world/changes.ts";
import type { AttachedWorlds } from "../../lib/world/quota.ts";
import type { Store } from "../../lib/world/store.ts";
import { openSqliteStore } from "../../lib/world/store/sqlite_store.ts";
import { STORE_WORKER } from "../support/store_worker.ts";

/**
 * Opens a store in which only T3 can read the worlds of `/boot`.
 *
 * @param log gets the lines for the operator
 */
export function openStore(
  data: string,
  key = "k",
  log: string[] = [],
  attached?: AttachedWorlds,
): Promise<Store> {
  return openSqliteStore({
    folder: acquireDataFolder(data),
    key,
    lower: new Map(),
    workerUrl: STORE_WORKER,
    isRestricted: (name) => name.startsWith("boot/"),
    log: (line) => log.push(line),
    ...(attached === undefined ? {} : { attached }),
  });
}

/** Writes a text. */
export function putText(
  store: Store,
  name: string,
  text: string,
  more: { readonly by?: string; readonly idem?: string } = {},
) {
  const body = new TextEncoder().encode(text);
  return store.put({ name, body, ext: "txt", meta: [], by: "T2", ...more });
}

/** Returns the name, the type and the id of each event. */
export function rowsOf({ events }: ChangePage): string[] {
  return events.map(({ name, type, id }) => `${name} ${type} ${id}`);
}
