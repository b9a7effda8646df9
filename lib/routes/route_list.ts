/**
 * `/bin`: lists every route of the core and of plugins with a short description. The alias
 * `/bin/<route>` is resolved in `lib/server/app.ts`.
 */

import type { Caller } from "../auth/caller.ts";
import { assertCan, canSeeRoute } from "../auth/policy.ts";
import { sha256Hex } from "../base/hash.ts";
import { evaluateConditions } from "../http/conditional.ts";
import { createTypeChooser } from "../http/negotiate.ts";
import { CORE_ROUTES } from "../request/core_routes.ts";
import type { PluginRoutes } from "../request/plugin_routes.ts";
import type { RequestContext } from "../request/request_context.ts";
import type { ServerContext } from "../request/server_context.ts";
import { notModifiedResponse } from "../response/representation.ts";
import { respondShell } from "../response/shell_page.ts";

const HTML = "text/html";
const chooseType = createTypeChooser(["text/plain", "application/json", HTML], "text/plain");
const encoder = new TextEncoder();

/** `GET /bin`: the routes that the caller can use, as text, JSON or the page of the shell. */
export function listRoutes(
  { store, plugins }: Pick<ServerContext, "store" | "plugins">,
  { request, caller }: RequestContext,
): Response | Promise<Response> {
  assertCan(caller, "read", "/bin");
  const type = chooseType(request.headers.get("accept"));
  if (type === HTML) return respondShell(store, request);
  const rows = routeRows(plugins, caller);
  const asJson = type === "application/json";
  const body = encoder.encode(
    asJson
      ? JSON.stringify(rows)
      : rows.map(({ route, description }) => `${route}\t${description}\n`).join(""),
  );
  const headers = {
    "content-type": asJson ? type : "text/plain; charset=utf-8",
    "etag": `"${sha256Hex(body).slice(0, 16)}.${asJson ? "bin-json" : "bin"}"`,
    "vary": "Accept",
    "content-length": String(body.length),
    "cache-control": "no-cache",
    "x-content-type-options": "nosniff",
  };
  const unchanged = evaluateConditions(request.headers, headers.etag, undefined) === "not-modified";
  return unchanged ? notModifiedResponse(headers) : new Response(body, { headers });
}

function routeRows(
  plugins: PluginRoutes,
  caller: Caller,
): { route: string; description: string; plugin?: string }[] {
  const coreRows = Object.entries(CORE_ROUTES)
    .filter(([route]) => canSeeRoute(caller, route, undefined))
    .map(([route, description]) => ({ route, description }));
  const pluginRows = plugins.list()
    .filter(({ path, auth }) => canSeeRoute(caller, path, auth))
    .map(({ path, description, plugin }) => ({ route: path, description, plugin: `/${plugin}` }));
  return [...coreRows, ...pluginRows].sort((a, b) => a.route < b.route ? -1 : 1);
}
