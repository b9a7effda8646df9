/** Converts events of chains to what a plugin gets in `change`: only what its grants let it read. */

import type { Caller } from "../../auth/caller.ts";
import { canRead } from "../../auth/policy.ts";
import { showEvent, showMove } from "../../auth/redact.ts";
import type { IndexedEvent } from "../../world/changes.ts";

/** A change of a world, as `change` gets it. */
export interface PluginChange {
  /** The cursor of the change: the same for each call with the same change, and for no other. */
  readonly id: string;
  /** Path of the world. */
  readonly path: string;
  /** `delete`: the path has no world any more, because it was deleted or moved. */
  readonly kind: "update" | "delete";
  /** Version of the world after the change; of a deleted one, the last version. */
  readonly version: number;
  /** RFC 3339 time. */
  readonly at: string;
  /** The caller that made it. */
  readonly by: string;
  /** Type of the event, such as `stage_written`. */
  readonly event: string;
  /** The path that the world had before a move, if the plugin can read it. */
  readonly from?: string;
}

/** Types of events that change the content of a world, or whether it exists. */
const CHANGES: ReadonlySet<string> = new Set([
  "stage_written",
  "stage_appended",
  "world_moved",
  "world_deleted",
  "world_restored",
]);
/** The positions of all plugins: a plugin that got them would be called by its own calls. */
const POSITION = /^var\/lib\/[^/]+\/on\.json$/;

/**
 * Converts an event.
 *
 * @param plugin name and paths of the plugin, and its authority
 * @param event an event of the change index
 * @returns undefined if the plugin must not be called with it
 */
export function toPluginChange(
  { plugin, on, caller }: {
    readonly plugin: string;
    readonly on: readonly string[];
    readonly caller: Caller;
  },
  event: IndexedEvent,
): PluginChange | undefined {
  const { name, also, cursor, timestamp, type } = event;
  if (!CHANGES.has(type)) return undefined;
  const concerns = (world: string): boolean =>
    !POSITION.test(world) && !world.startsWith(`var/lib/${plugin}/`) &&
    on.some((path) => `/${world}` === path || path.endsWith("/") && `/${world}`.startsWith(path)) &&
    canRead(caller, `/${world}`);
  if (readMember(event.payload, "by") === `plugin:${plugin}`) return undefined;
  const isHere = concerns(name);
  if (!isHere && (also === undefined || !concerns(also))) return undefined;
  const world = isHere ? name : also ?? name;
  const shown = isHere ? showEvent(caller, name, event) : showMove(caller, world, event);
  const { payload } = shown;
  const version = Number(
    readMember(payload, "version_after") ?? readMember(payload, "version") ?? 0,
  );
  // Moves did not record the version before.
  const versionBefore = Number(readMember(payload, "from_version") ?? Math.max(0, version - 1));
  const from = readMember(payload, "from");
  return {
    id: cursor,
    path: `/${world}`,
    kind: !isHere || type === "world_deleted" ? "delete" : "update",
    version: isHere ? version : versionBefore,
    at: timestamp,
    by: String(readMember(payload, "by") ?? ""),
    event: type,
    ...(isHere && typeof from === "string" && from.startsWith("/") ? { from } : {}),
  };
}

function readMember(payload: unknown, name: string): unknown {
  return typeof payload === "object" && payload !== null ? Reflect.get(payload, name) : undefined;
}
