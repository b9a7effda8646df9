/**
 * Worlds over HTTP: maps methods to operations on a world, a collection or a namespace. The policy
 * is checked before any look-up, so a refusal does not reveal whether a world exists.
 */

import type { Locks } from "../dav/locks/locks.ts";
import type { RequestContext } from "../request/request_context.ts";
import type { ServerContext } from "../request/server_context.ts";
import { checkPlugin, isPluginCheck } from "./check_plugin.ts";
import { deleteCollection, deleteWorld } from "./delete_world.ts";
import { formatAllow } from "../request/requested_access.ts";
import { worldQueryOf } from "../request/route_query.ts";
import { readQueryValue } from "../http/query.ts";
import { restoreFromTrash } from "./restore_world.ts";
import { handleMethods, type Handler } from "./handler.ts";
import { IdempotentRequests } from "./idempotent_requests.ts";
import { ACCEPT_PATCH, patchWorld } from "./patch_world.ts";
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
  locks: Locks,
  waits: Waits,
  move: Handler,
): Handler {
  const requests = new IdempotentRequests(server);
  const repeatable = (handler: Handler) => requests.wrap(handler);
  return handleMethods(
    {
      GET: (context) => readWorld(server, waits, context),
      PUT: repeatable((context) => {
        const trash = readQueryValue(context.target.query, "trash");
        return trash === null
          ? putWorld(server, locks, context)
          : restoreFromTrash(server, locks, context, trash);
      }),
      POST: repeatable((context) =>
        isPluginCheck(context)
          ? checkPlugin(server, context)
          : appendToWorld(server, locks, context)
      ),
      PATCH: repeatable((context) => patchWorld(server, locks, context)),
      OPTIONS: respondOptions,
      DELETE: repeatable((context) =>
        context.target.isCollection
          ? deleteCollection(server, locks, context)
          : deleteWorld(server, locks, context)
      ),
      MOVE: move,
    },
    worldQueryOf,
    allowedMethods,
  );
}

/** `OPTIONS`: the methods of the path, and the formats of PATCH (RFC 5789 §3.1). */
function respondOptions(context: RequestContext): Response {
  const allow = formatAllow(context, allowedMethods(context));
  const formats = allow.includes("PATCH") ? { "accept-patch": ACCEPT_PATCH } : {};
  return new Response(null, { status: 204, headers: { allow, ...formats } });
}
