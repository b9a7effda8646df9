/**
 * The changes of worlds, from `/proc/changes`: what subscriptions are told. The server sends a caller
 * only what the caller can read.
 */

import { isRecord } from "../kit/json_record.ts";
import { HEARTBEAT_SECONDS, MAX_PAGE_SIZE } from "./limits.ts";
import { readJson, type ServerCaller, ServerRefusal } from "./server_call.ts";
import { type NamedPath, urlPath } from "./world_path.ts";

/** Some changes, in the order in which they happened. */
export interface ChangedWorlds {
  /** Names of worlds that were written, moved or deleted. */
  readonly names: ReadonlySet<string>;
  /** Whether a world appeared, moved or was deleted. */
  readonly isListChanged: boolean;
  /** Position after these changes. */
  readonly cursor: string;
  /** Whether the position before was lost, so that other changes may have happened. */
  readonly isIncomplete: boolean;
}

/**
 * Reads the changes after a position.
 *
 * @param prefix collection of the worlds; the root means all
 * @param after position, or `now`
 * @param waitSeconds how long to wait for a change
 * @throws {ServerRefusal} the server refused it, for instance because the credential has ended
 */
export async function readChangedWorlds(
  caller: Omit<ServerCaller, "client">,
  prefix: NamedPath,
  after: string,
  waitSeconds = HEARTBEAT_SECONDS,
): Promise<ChangedWorlds> {
  const query = new URLSearchParams({ after, wait: `${waitSeconds}`, limit: `${MAX_PAGE_SIZE}` });
  const path = `/proc/changes${prefix.name === "" ? "" : urlPath(prefix)}?${query}`;
  try {
    const { value } = await readJson(caller, path);
    return toChangedWorlds(value);
  } catch (error) {
    const isLost = error instanceof ServerRefusal && error.status === 410 && after !== "now";
    if (!isLost) throw error;
    return { ...await readChangedWorlds(caller, prefix, "now", 0), isIncomplete: true };
  }
}

/**
 * Returns the closest collection that contains all worlds.
 *
 * @param names names of worlds
 */
export function commonCollection(names: Iterable<string>): NamedPath {
  let common: string[] | undefined;
  for (const name of names) {
    const segments = name.split("/").slice(0, -1);
    const length = common?.findIndex((segment, i) => segment !== segments[i]) ?? -1;
    common = length < 0 ? common ?? segments : common?.slice(0, length);
  }
  return { name: (common ?? []).join("/"), isCollection: true };
}

function toChangedWorlds(value: unknown): ChangedWorlds {
  const { changes, cursor } = isRecord(value) ? value : {};
  const names = new Set<string>();
  let isListChanged = false;
  for (const change of Array.isArray(changes) ? changes : []) {
    if (!isRecord(change)) continue;
    const { name, id, type, payload } = change;
    if (typeof name === "string") names.add(name);
    const isMove = type === "world_moved" && isRecord(payload);
    for (const other of isMove ? [payload["from"], payload["to"]] : []) {
      // A name that the caller cannot read is `***`, which no world has.
      if (typeof other === "string") names.add(other.replace(/^\//, ""));
    }
    if (id === 1 || typeof type === "string" && type.startsWith("world_")) isListChanged = true;
  }
  return { names, isListChanged, cursor: String(cursor), isIncomplete: false };
}
