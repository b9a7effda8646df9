/**
 * Worlds over HTTP: maps methods to operations on a world, a collection or a namespace. The policy
 * is checked before any look-up, so a refusal does not reveal whether a world exists.
 */

import type { LockTable } from "../dav/locks/lock_table.ts";
import type { ServerContext } from "../request/server_context.ts";
import { deleteCollection, deleteWorld } from "./delete_world.ts";
import { worldQueryOf } from "../request/route_query.ts";
import { handleMethods, type Handler } from "./handler.ts";
import { readWorld } from "./read_world.ts";
import { allowedMethods } from "./world_target.ts";
import type { Waits } from "./stream/waits.ts";
import { appendToWorld, putWorld } from "./write_world.ts";

/**
 * Creates the handler of every path in a namespace.
 *
 * @param move handles MOVE; it is a part of WebDAV, which is loaded on first use
 */
export function createWorldHandler(
  server: ServerContext,
  locks: LockTable,
  waits: Waits,
  move: Handler,
): Handler {
  return handleMethods(
    {
      GET: (context) => readWorld(server, waits, context),
      PUT: (context) => putWorld(server, locks, context),
      POST: (context) => appendToWorld(server, locks, context),
      DELETE: (context) =>
        context.target.isCollection
          ? deleteCollection(server, locks, context)
          : deleteWorld(server, locks, context),
      MOVE: move,
    },
    worldQueryOf,
    allowedMethods,
  );
}
