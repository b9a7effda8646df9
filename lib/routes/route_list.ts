/**
 * `/bin`: every route that is up, the core's and the plugins', each with a line on what it does.
 * `/bin/<route>` is an alias, which the dispatcher resolves before any route is asked.
 */

import { assertCan, canRead } from "../auth/policy.ts";
import type { Hono } from "../deps/hono.ts";
import { sha256Hex } from "../base/hash.ts";
import { createTypeChooser } from "../http/negotiate.ts";
import { evaluateConditions } from "../http/conditional.ts";
import { notModifiedResponse } from "../response/representation.ts";
import { respondShell } from "../response/shell_page.ts";
import type { ServerContext } from "../request/server_context.ts";
import { NAMESPACES } from "../world/name.ts";
import { onlyMethods, routeApp, type RouteEnv } from "./handler.ts";

/** The core's own routes. Plugins may not take them, nor anything below them. */
export const CORE_ROUTES: Readonly<Record<string, string>> = {
  "/auth/mint": "POST: a capability for a prefix (T3)",
  "/auth/whoami": "what the caller is",
  "/bin": "this list",
  "/boot": "startup configuration (T3)",
  "/dav": "the worlds as a file system (WebDAV class 1 and 2)",
  "/dev": "devices",
  "/etc": "configuration worlds (T3 writes)",
  "/home": "your worlds (T2 writes)",
  "/lib": "plugin sources (T2 writes, T3 activates)",
  "/mnt": "mounts",
  "/proc/audit": "both checks of a world's receipt",
  "/proc/log": "a world's events, newest first",
  "/proc/metrics": "counters and gauges for Prometheus and its kin",
  "/proc/snapshot": "a world's whole file as a copy",
  "/proc/source": "the files of the running program (T3)",
  "/proc/status": "pid, uptime, worlds, plugins, version",
  "/proc/uptime": "seconds since the start",
  "/proc/version": "the machine's version",
  "/proc/worlds": "every world the caller may read",
  "/stream": "worlds and collections as server-sent events",
  "/usr": "skills, renderers, documents (T3 writes)",
  "/var": "logs and caches (T3 writes)",
};

/** First segments that belong to the core, with everything below them. */
export const CORE_SEGMENTS: ReadonlySet<string> = new Set([
  ...NAMESPACES,
  "auth",
  "bin",
  "dav",
  "proc",
  "stream",
]);

const HTML = "text/html";
const choose = createTypeChooser(["text/plain", "application/json", HTML], "text/plain");
const encoder = new TextEncoder();

/** The route `/bin`. */
export function createRouteListRoutes(server: ServerContext): Hono<RouteEnv> {
  const app = routeApp();

  app.get("/bin", ({ env: { request, caller } }) => {
    assertCan(caller, "read", "/bin");
    const form = choose(request.headers.get("accept"));
    if (form === HTML) return respondShell(server.store, request);
    const rows = routeRows(server).filter(({ route }) => canRead(caller, route));
    const asJson = form === "application/json";
    const body = encoder.encode(
      asJson
        ? JSON.stringify(rows)
        : rows.map(({ route, description }) => `${route}\t${description}\n`).join(""),
    );
    const headers = {
      "content-type": asJson ? form : "text/plain; charset=utf-8",
      "etag": `"${sha256Hex(body).slice(0, 16)}.${asJson ? "bin-json" : "bin"}"`,
      "vary": "Accept",
      "cache-control": "no-cache",
      "x-content-type-options": "nosniff",
    };
    const unchanged =
      evaluateConditions(request.headers, headers.etag, undefined) === "not-modified";
    return unchanged ? notModifiedResponse(headers) : new Response(body, { headers });
  });

  app.all("/bin", onlyMethods("GET, HEAD"));
  return app;
}

function routeRows(
  server: ServerContext,
): { route: string; description: string; plugin?: string }[] {
  const core = Object.entries(CORE_ROUTES).map(([route, description]) => ({ route, description }));
  const plugins = server.plugins.list().map(({ path, description, plugin }) => ({
    route: path,
    description,
    plugin: `/${plugin}`,
  }));
  return [...core, ...plugins].sort((a, b) => a.route < b.route ? -1 : 1);
}
