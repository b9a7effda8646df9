/**
 * `/bin`: every route that is up, the core's and the plugins', each with a line on what it does.
 * `/bin/<route>` is an alias, which the dispatcher resolves before any route is asked.
 */

import { require, visible } from "../auth/policy.ts";
import type { Hono } from "../deps/hono.ts";
import { sha256Hex } from "../base/hash.ts";
import { chooser } from "../http/negotiate.ts";
import { readOutcome } from "../http/conditional.ts";
import { notModified } from "../response/representation.ts";
import { respondShell } from "../response/shell_page.ts";
import type { Machine } from "../request/server_context.ts";
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
const choose = chooser(["text/plain", "application/json", HTML], "text/plain");
const encoder = new TextEncoder();

/** The route `/bin`. */
export function binRoutes(machine: Machine): Hono<RouteEnv> {
  const app = routeApp();

  app.get("/bin", ({ env: { request, caller } }) => {
    require(caller, "read", "/bin");
    const form = choose(request.headers.get("accept"));
    if (form === HTML) return respondShell(machine.store, request);
    const rows = routeRows(machine).filter(({ route }) => visible(caller, route));
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
    const unchanged = readOutcome(request.headers, headers.etag, undefined) === "not-modified";
    return unchanged ? notModified(headers) : new Response(body, { headers });
  });

  app.all("/bin", onlyMethods("GET, HEAD"));
  return app;
}

function routeRows(machine: Machine): { route: string; description: string; plugin?: string }[] {
  const core = Object.entries(CORE_ROUTES).map(([route, description]) => ({ route, description }));
  const plugins = machine.plugins.list().map(({ path, description, plugin }) => ({
    route: path,
    description,
    plugin: `/${plugin}`,
  }));
  return [...core, ...plugins].sort((a, b) => a.route < b.route ? -1 : 1);
}
