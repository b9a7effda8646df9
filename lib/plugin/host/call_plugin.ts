/**
 * Sends one request to a plugin: checks the caller's authority, gives the request its canonical
 * URL, and adds security headers to the response. The response of a plugin must not run scripts
 * with this origin in a browser.
 */

import { withTimeout } from "../../base/timeout.ts";
import { createBusyProblem } from "../cell/cell_errors.ts";
import { CallerEndedError } from "../cell/cell_run.ts";
import { Problem } from "../../http/problem.ts";
import type { Caller } from "../../auth/caller.ts";
import {
  assertAllowed,
  canSeeRoute,
  CHALLENGE,
  decide,
  decideCall,
  decideFallback,
} from "../../auth/policy.ts";
import { redactFor } from "../../auth/redact.ts";
import type { RequestContext } from "../../request/request_context.ts";
import { encodePath } from "../../http/path.ts";
import { getRepresentation } from "../../response/representation.ts";
import { negotiateTypes } from "../../http/negotiate.ts";
import { respondShell } from "../../response/shell_page.ts";
import { isInNamespace } from "../../world/name.ts";
import type { Store } from "../../world/store.ts";
import type { LoadedPlugin } from "./loaded_plugin.ts";
import { securePluginResponse, withoutFalseLength } from "./plugin_response.ts";

const HTML = "text/html";
/** Methods that only read (RFC 9110 §9.2.1, RFC 4918 §9.1). */
const SAFE: ReadonlySet<string> = new Set(["GET", "HEAD", "OPTIONS", "PROPFIND"]);
/** Matches a path that {@link encodePath} does not change. */
const UNENCODED = /^[A-Za-z0-9\-_.!~*'()/]*$/;
/** Longest origin that is cached, in characters. */
const MAX_ORIGIN_CHARS = 300;
/** Origin of the request's URL if its Host header does not form a valid URL. */
const DEFAULT_ORIGIN = "http://machine";

/**
 * Sends a request to a plugin. A browser that opens a bare route gets the page of the shell, which
 * describes the plugin, unless the plugin answers with a page of its own.
 *
 * @param plugin the running plugin
 * @param route the route that matched; `""` for the fallback
 * @param context the request after the gate
 * @param store for the world that the rest of the path may name, and for the shell
 * @throws {Problem} the caller cannot call the plugin, or the plugin failed
 */
export async function callPlugin(
  plugin: LoadedPlugin,
  route: string,
  context: RequestContext,
  store: Pick<Store, "peek" | "read">,
): Promise<Response> {
  const { request, caller, target } = context;
  const isRoutePath = target.path === route && target.query === "";
  // `/bin` shows the route to the same callers, also to those that cannot call it.
  const isPage = isRoutePath && canSeeRoute(caller, route, plugin.manifest.auth) &&
    wantsPage(request, route);
  if (!isPage) return await sendToPlugin(plugin, route, context, store);
  const response = await sendToPlugin(plugin, route, context, store).catch((error) => {
    // The shell sends the request again and shows the problem.
    if (error instanceof Problem) return undefined;
    throw error;
  });
  const isOwnPage = response?.ok === true &&
    response.headers.get("content-type")?.toLowerCase().startsWith(HTML) === true;
  if (response !== undefined && isOwnPage) return response;
  await response?.body?.cancel();
  return await respondShell(store, request);
}

/**
 * Returns whether a request for a bare route is that of a browser for a page: a GET or HEAD that
 * prefers HTML.
 *
 * @param request a request for exactly the route, without a query
 * @param route the route; `/mnt` and paths below it are listings, which their plugin answers itself
 */
export function wantsPage(request: Request, route: string): boolean {
  if (request.method !== "GET" && request.method !== "HEAD") return false;
  if (route === "" || route === "/mnt" || route.startsWith("/mnt/")) return false;
  const accept = request.headers.get("accept");
  if (accept === null || !accept.includes(HTML)) return false;
  return negotiateTypes(accept, ["application/json", "text/plain", HTML])[0] === HTML;
}

/** @throws {Problem} the caller cannot call the plugin, or the plugin failed */
async function sendToPlugin(
  plugin: LoadedPlugin,
  route: string,
  context: RequestContext,
  store: Pick<Store, "peek" | "read">,
): Promise<Response> {
  const { request, caller, target, depth = 0, connection } = context;
  const { auth } = plugin.manifest;
  const action = SAFE.has(request.method) || hasNoOwnAuthority(plugin) ? "read" : "write";
  const subject = plugin.manifest.subject ? subjectPath(target.path, route) : undefined;
  assertAllowed(
    route === ""
      ? decideFallback(caller, target.path, auth)
      : decideCall(caller, action, target.path, auth, subject),
  );
  const waitedMs = plugin.reload === undefined ? 0 : await waitForReload(plugin);
  const tag = subject === undefined || target.isCollection
    ? undefined
    : subjectEtag(store, caller, subject);
  const response = await plugin.cell.request(toCanonicalRequest(context), {
    authority: caller,
    tier: caller.tier,
    by: caller.by,
    tag,
    depth,
    ...(waitedMs === 0 ? {} : { waitedMs }),
    ...(connection === undefined ? {} : { connection, originalRequest: request }),
  }).catch((error) => {
    throw error instanceof CallerEndedError ? createCallerEndedProblem(error) : error;
  });
  securePluginResponse(response, request, plugin.manifest.routes);
  return await toShellResponse(store, request, withoutFalseLength(request.method, response));
}

/**
 * Whether everything that a plugin reads or changes, it reads or changes with its caller's authority:
 * it has no grants, no values of its own, no permissions and no mount. A capability with mode `r` can then send it every
 * method.
 */
export function hasNoOwnAuthority(
  { manifest, permissions }: Pick<LoadedPlugin, "manifest" | "permissions">,
): boolean {
  return manifest.auth === "T1" && !manifest.subject && !manifest.kv &&
    !manifest.routes.some((route) => route === "/mnt" || route.startsWith("/mnt/")) &&
    Object.keys(manifest.grants).length === 0 &&
    Object.values(permissions).every((entries) => entries.length === 0);
}

function createCallerEndedProblem({ message }: CallerEndedError): Problem {
  return new Problem("unauthorized", `Cannot call the plugin: ${message}`, {
    "www-authenticate": CHALLENGE,
  });
}

/**
 * Waits until the config worlds that were changed before this request are in effect. Changes during
 * the wait do not prolong it.
 *
 * @returns the milliseconds that it waited
 * @throws {Problem} `unavailable` after half of the time that a request has
 */
async function waitForReload({ cell, reload }: LoadedPlugin): Promise<number> {
  if (reload === undefined) return 0;
  const start = performance.now();
  const limitMs = cell.maxWaitMs;
  let isDone = false;
  await withTimeout(limitMs, reload.done.then(() => isDone = true));
  if (!isDone) {
    throw createBusyProblem(cell.init.name, "its new configuration is being loaded", limitMs);
  }
  return performance.now() - start;
}

/**
 * Returns the world or mounted file that the rest of a path names: `/home/x` for `/shaped/home/x`.
 *
 * @param path canonical path of the request
 * @param route the route that matched; `""` for the fallback
 * @returns undefined if the rest does not name one
 */
export function subjectPath(path: string, route: string): string | undefined {
  if (route === "") return undefined;
  const rest = path.slice(route.length + 1);
  return isInNamespace(rest) || rest === "mnt" || rest.startsWith("mnt/") ? `/${rest}` : undefined;
}

/**
 * Returns the entity tag of a world's bytes as this caller gets them. The plugin receives it with
 * the request, so that it can detect a change without a subrequest.
 *
 * @param path canonical path that may be one of a world
 * @returns undefined if it is not a world, the caller cannot read it, or it is not in memory
 */
function subjectEtag(
  store: Pick<Store, "peek">,
  caller: Caller,
  path: string,
): string | undefined {
  if (!decide(caller, "read", path).allowed) return undefined;
  const world = store.peek(path.slice(1));
  return world === undefined ? undefined : getRepresentation(redactFor(caller, world), "raw").etag;
}

/**
 * Returns the request with its canonical URL, so that the plugin gets the path that was checked.
 */
export function toCanonicalRequest({ request, target, connection }: RequestContext): Request {
  const { url } = request;
  const encoded = UNENCODED.test(target.path) ? target.path : encodePath(target.path);
  const path = target.isCollection && target.path !== "/" ? `${encoded}/` : encoded;
  const query = target.query === "" ? "" : `?${target.query}`;
  const start = url.indexOf("/", url.indexOf("://") + 3);
  const readable = isReadable(url, start);
  if (readable && url.slice(start) === path + query) return request;
  const origin = readable && start > 0 ? url.slice(0, start) : DEFAULT_ORIGIN;
  const { method, headers, body } = request;
  return new Request(`${origin}${path}${query}`, {
    method,
    headers,
    body,
    // With a connection, `onClientDisconnect` observes the original request. Reading `signal` is
    // slow.
    ...(connection === undefined ? { signal: request.signal } : {}),
  });
}

/** The last valid origin; nearly all requests have the same one. */
let lastOrigin = "";

/** Returns whether a URL can be parsed. With a valid origin every path can. */
function isReadable(url: string, start: number): boolean {
  const origin = url.slice(0, start);
  if (start > 0 && origin === lastOrigin) return true;
  if (!URL.canParse(url)) return false;
  if (start > 0 && origin.length <= MAX_ORIGIN_CHARS) lastOrigin = origin;
  return true;
}

/** Header of a plugin's response that requests the page of the shell instead. */
const SHOW_HEADER = "x-show";

/**
 * Returns the page of the shell if the plugin's response has `X-Show: shell`; otherwise the
 * response. A plugin whose paths are collections uses this for browsers. Of its response only
 * `Vary` is kept.
 *
 * @throws {Problem} `not-found` if the shell was deleted
 */
async function toShellResponse(
  store: Pick<Store, "read">,
  request: Request,
  response: Response,
): Promise<Response> {
  const isRequested = response.headers.get(SHOW_HEADER) === "shell";
  response.headers.delete(SHOW_HEADER);
  if (!isRequested || !response.ok || request.method !== "GET" && request.method !== "HEAD") {
    return response;
  }
  await response.body?.cancel();
  const vary = response.headers.get("vary") ?? "Accept";
  return await respondShell(store, request, { headers: { vary } });
}
