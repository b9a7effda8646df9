/**
 * The right that a request needs at least, from its method and path, and the `Allow` header that
 * follows from it: the methods that a caller may use on a path. The handler of a route checks the right
 * exactly.
 */

import type { Caller } from "../auth/caller.ts";
import {
  type Action,
  ALLOWED,
  decide,
  decideCopy,
  decideTree,
  type Decision,
} from "../auth/policy.ts";
import { isPartlyReadable } from "../auth/read_scope.ts";
import type { RequestTarget } from "../http/path.ts";
import { isInNamespace } from "../world/name.ts";
import type { RequestContext } from "./request_context.ts";

/** Routes that are about the world whose path follows them. */
const ABOUT_WORLD = /^\/(?:dav|stream|proc\/(?:audit|changes|log|search|snapshot|trash))(?=\/)/;
/** Routes about all worlds below a collection: each caller gets those that it can read. */
const ABOUT_WORLDS = /^\/proc\/(?:changes|log|search|trash)(?:\/(.+))?$/;
const STATE = /^(\/lib\/[^/]+)\/state$/;
/** The log of a plugin, for callers that could have written its source. */
const PLUGIN_LOG = /^(?:\/stream)?\/proc\/plugins\/([^/]+)\/log$/;
const SNAPSHOT = "/proc/snapshot/";

const ACTIONS: ReadonlyMap<string, Action> = new Map<string, Action>([
  ["GET", "read"],
  ["HEAD", "read"],
  ["OPTIONS", "read"],
  ["PROPFIND", "read"],
  // The source; the right to write the destination is not known before the request.
  ["COPY", "read"],
  ["DELETE", "delete"],
  ["MOVE", "delete"],
]);

/**
 * Returns the right that a request needs at least.
 *
 * @param path canonical path of the request
 */
export function requestedAccess(method: string, path: string): [Action, string] {
  if (path === "/auth/mint") return ["mint", "/"];
  const action = ACTIONS.get(method) ?? "write";
  const plugin = STATE.exec(path)?.[1];
  if (plugin !== undefined) return [action === "write" ? "activate" : action, plugin];
  const logged = PLUGIN_LOG.exec(path)?.[1];
  if (logged !== undefined) return ["write", `/lib/${logged}`];
  const subject = path.replace(ABOUT_WORLD, "");
  const isShortStream = path.startsWith("/stream/") && !isInNamespace(subject.slice(1));
  return [action, isShortStream ? `/home${subject}` : subject];
}

/**
 * Decides whether a caller has the right that a request needs at least.
 *
 * @param target the target, of which only the path counts
 */
export function decideRequest(
  caller: Caller,
  method: string,
  { path, isCollection }: Pick<RequestTarget, "path" | "isCollection">,
): Decision {
  const [action, subject] = requestedAccess(method, path);
  const worlds = action === "read" ? ABOUT_WORLDS.exec(path) : null;
  if (worlds !== null) {
    const [, name] = worlds;
    if (name === undefined || isCollection && isPartlyReadable(caller, name)) return ALLOWED;
  }
  const verb = method === "MOVE" ? "move" : undefined;
  return action === "delete" && isCollection
    ? decideTree(caller, action, subject, verb)
    : decide(caller, action, subject, verb);
}

/**
 * Formats the `Allow` header of a path for a caller (RFC 9110 §10.2.1): those of its methods that the
 * caller may use. It depends on the path only, not on whether a world exists there.
 *
 * @param methods the methods of the path; OPTIONS is always allowed
 */
export function formatAllow(
  { caller, target: { path, isCollection } }: Pick<RequestContext, "caller" | "target">,
  methods: readonly string[],
): string {
  return methods.filter((method) => canUse(caller, method, path, isCollection)).join(", ");
}

function canUse(caller: Caller, method: string, path: string, isCollection: boolean): boolean {
  if (method === "OPTIONS") return true;
  if (path.startsWith(SNAPSHOT)) {
    const isCopyable = decideCopy(caller, path.slice(SNAPSHOT.length - 1)).allowed;
    return isCopyable && (method !== "POST" || decide(caller, "write", path).allowed);
  }
  return decideRequest(caller, method, { path, isCollection }).allowed;
}
