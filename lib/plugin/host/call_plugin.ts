/**
 * One request on its way into a plugin and back: who may, under which URL the plugin sees it, and what
 * its answer may not do to whoever reads it in a browser. The plugin decides everything else.
 */

import type { Caller } from "../../auth/caller.ts";
import { assertAllowed, canRead, decide, decideCall, decideFallback } from "../../auth/policy.ts";
import { redactFor } from "../../auth/redact.ts";
import type { RequestContext } from "../../request/request_context.ts";
import { encodePath } from "../../http/path.ts";
import { getRepresentation } from "../../response/representation.ts";
import { respondShell } from "../../response/shell_page.ts";
import { isInNamespace } from "../../world/name.ts";
import type { Store } from "../../world/store.ts";
import { descriptionPage, wantsDescription } from "./description_page.ts";
import type { LoadedPlugin } from "./loaded_plugin.ts";

const SAFE: ReadonlySet<string> = new Set(["GET", "HEAD", "OPTIONS", "PROPFIND"]);
/** A plugin may pass on a stranger's page, which must not act as this origin. */
const SANDBOX = "sandbox allow-scripts";
/** What {@link encodePath} leaves as it is. */
const UNENCODED = /^[A-Za-z0-9\-_.!~*'()/]*$/;
/** Longest origin that is remembered, in characters. */
const MAX_ORIGIN = 300;
/** Stands for the machine where the request's own Host makes no URL that can be read. */
const ORIGIN = "http://machine";

/**
 * Has a plugin answer.
 *
 * @param route the route that matched; `""` for the fallback
 * @param store where the world is that the route's rest may name
 * @throws {Problem} when the caller may not call it, or the plugin failed
 */
export async function callPlugin(
  plugin: LoadedPlugin,
  route: string,
  context: RequestContext,
  store: Pick<Store, "peek" | "read">,
): Promise<Response> {
  const { request, caller, target, depth = 0, connection } = context;
  const bare = target.path === route && target.query === "";
  // `/bin` tells the same of a route to everyone who may see it, whoever may call it.
  if (bare && canRead(caller, route) && wantsDescription(request, route)) {
    return descriptionPage(plugin.name, plugin.manifest, route, request.url);
  }
  const action = SAFE.has(request.method) ? "read" : "write";
  const { auth } = plugin.manifest;
  const subject = subjectPath(target.path, route);
  assertAllowed(
    route === ""
      ? decideFallback(caller, target.path, auth)
      : decideCall(caller, action, target.path, auth, subject),
  );
  const named = subject !== target.path && !target.isCollection;
  const response = await plugin.cell.request(toCanonicalRequest(context), {
    authority: caller,
    tier: caller.tier,
    by: caller.by,
    tag: named ? subjectEtag(store, caller, subject) : undefined,
    depth,
    ...(connection === undefined ? {} : { connection, originalRequest: request }),
  });
  if (!response.headers.has("content-security-policy")) {
    response.headers.set("content-security-policy", SANDBOX);
  }
  response.headers.set("x-content-type-options", "nosniff");
  return await toShellResponse(store, request, response);
}

/** What a route's rest names, where it names a world or a mount: `/home/x` of `/shaped/home/x`. */
export function subjectPath(path: string, route: string): string {
  const rest = path.slice(route.length + 1);
  return isInNamespace(rest) || rest === "mnt" || rest.startsWith("mnt/") ? `/${rest}` : path;
}

/**
 * The entity tag of a world's bytes as the caller is shown them.
 *
 * @param path canonical path of what may be a world
 * @returns undefined if there is no world, the caller cannot read it, or it is not in memory
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

/** The request under its canonical URL: what the plugin reads is what was matched and checked. */
export function toCanonicalRequest({ request, target, connection }: RequestContext): Request {
  const { url } = request;
  const encoded = UNENCODED.test(target.path) ? target.path : encodePath(target.path);
  const path = target.isCollection && target.path !== "/" ? `${encoded}/` : encoded;
  const query = target.query === "" ? "" : `?${target.query}`;
  const start = url.indexOf("/", url.indexOf("://") + 3);
  const readable = isReadable(url, start);
  if (readable && url.slice(start) === path + query) return request;
  const origin = readable && start > 0 ? url.slice(0, start) : ORIGIN;
  const { method, headers, body } = request;
  return new Request(`${origin}${path}${query}`, {
    method,
    headers,
    body,
    // Who came by a connection is watched there; even to look at their signal costs.
    ...(connection === undefined ? { signal: request.signal } : {}),
  });
}

/** The last origin that made a URL: nearly every request comes by the same. */
let known = "";

/** Whether a URL can be read; whatever follows an origin that can be, can be too. */
function isReadable(url: string, start: number): boolean {
  const origin = url.slice(0, start);
  if (start > 0 && origin === known) return true;
  if (!URL.canParse(url)) return false;
  if (start > 0 && origin.length <= MAX_ORIGIN) known = origin;
  return true;
}

/** The header that asks for it. */
const SHOW_HEADER = "x-show";

/**
 * The plugin's answer, or the shell in its place.
 *
 * @throws {Problem} `not-found` when the shell was deleted
 */
async function toShellResponse(
  store: Pick<Store, "read">,
  request: Request,
  answer: Response,
): Promise<Response> {
  const asked = answer.headers.get(SHOW_HEADER) === "shell";
  answer.headers.delete(SHOW_HEADER);
  if (!asked || !answer.ok || request.method !== "GET" && request.method !== "HEAD") return answer;
  await answer.body?.cancel();
  const vary = answer.headers.get("vary") ?? "Accept";
  return await respondShell(store, request, { headers: { vary } });
}
