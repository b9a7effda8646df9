/**
 * The folders that consist of routes: the root, `/dev` and `/mnt`. Devices and mounts are routes of
 * plugins; without plugins these folders are empty.
 */

import { assertCan, canRead } from "../auth/policy.ts";
import { DAV_HEADERS } from "../dav/resource/dav_headers.ts";
import { CORE_SEGMENTS } from "../request/core_routes.ts";
import { KNOWN_METHODS } from "../request/gate.ts";
import type { PluginRoutes } from "../request/plugin_routes.ts";
import type { RequestContext } from "../request/request_context.ts";
import { formatAllow } from "../request/requested_access.ts";
import type { ServerContext } from "../request/server_context.ts";
import type { ListingRow } from "../response/listing.ts";
import { respondRows } from "../response/row_listing.ts";

/** Every first segment except `auth`, which has no listing. */
const FOLDERS = CORE_SEGMENTS.filter((segment) => segment !== "auth");

/** `GET /`: the folders that the caller can read. */
export function listRoot(
  { store }: Pick<ServerContext, "store">,
  context: RequestContext,
): Response | Promise<Response> {
  assertCan(context.caller, "read", "/");
  const shown = FOLDERS.filter((name) => canRead(context.caller, `/${name}`));
  return respondRows(store, context, shown.map((name) => ({ name, dir: true })));
}

/** `OPTIONS /`: Windows asks the root for WebDAV support before it mounts a path below it. */
export function rootOptions(context: RequestContext): Response {
  return new Response(null, {
    status: 204,
    headers: { ...DAV_HEADERS, "allow": formatAllow(context, ["GET", "HEAD", "OPTIONS"]) },
  });
}

/** `OPTIONS *`: the methods of the server as a whole (RFC 9110 §9.3.7). */
export function serverOptions(): Response {
  return new Response(null, { status: 204, headers: { "allow": [...KNOWN_METHODS].join(", ") } });
}

/** `GET /dev` and `GET /mnt`: the first segments of the plugin routes below the folder. */
export function listPluginFolder(
  { store, plugins }: Pick<ServerContext, "store" | "plugins">,
  context: RequestContext,
): Response | Promise<Response> {
  const { path } = context.target;
  assertCan(context.caller, "read", path);
  return respondRows(store, context, childrenOf(plugins, path));
}

function childrenOf(plugins: PluginRoutes, folder: string): ListingRow[] {
  const rows = new Map<string, ListingRow>();
  for (const { path, plugin, description } of plugins.list()) {
    if (!path.startsWith(`${folder}/`)) continue;
    const [name = "", deeper] = path.slice(folder.length + 1).split("/", 2);
    const existing = rows.get(name);
    const dir = deeper !== undefined || existing?.dir === true;
    rows.set(
      name,
      deeper === undefined
        ? { name, dir, plugin: `/${plugin}`, description }
        : { ...existing, name, dir },
    );
  }
  return [...rows.values()].sort((a, b) => a.name < b.name ? -1 : 1);
}
