/**
 * Authorization: decides what a caller can do to a path. The functions are pure. They use neither
 * the store nor the request and are called before any look-up, so a refusal does not reveal whether
 * the world exists. No other module may compare tiers.
 */

import type { Within } from "../world/changes.ts";
import { foldPath } from "../base/fold_path.ts";
import { Problem } from "../http/problem.ts";
import {
  type Caller,
  type Delegation,
  hasCredentialOf,
  innermostPrefix,
  isAtLeast,
  type Tier,
} from "./caller.ts";
import { isInside } from "./capability.ts";
import { isGranted, isTreeGranted } from "./grants.ts";

/**
 * An action on a world or a collection. Every way to see it (its bytes, events, audit, stream,
 * entry in a listing) is `read`. Restoring an earlier version is `write`. Changing the state of a
 * plugin is `activate`. Creating a capability for a path is `mint`.
 */
export type Action = "read" | "write" | "delete" | "activate" | "mint";

/** The decision. {@link ALLOWED} is the same object for every allowed action. */
export type Decision = typeof ALLOWED | Refusal;

/** Why an action is refused (RFC 9110 §15.5.2 and §15.5.4). */
export interface Refusal {
  readonly allowed: false;
  /** 401 without a valid credential, 403 if a valid credential is not sufficient. */
  readonly status: 401 | 403;
  /** What would have been enough, as a noun phrase: `T3`, `a capability over the path`. */
  readonly needs: string;
  /** The sentence for the problem's detail. */
  readonly detail: string;
}

/** The decision for every allowed action. */
export const ALLOWED: { readonly allowed: true } = Object.freeze({ allowed: true });

/** The WWW-Authenticate challenge of a 401 (RFC 6750 §3, RFC 7617 §2.1). */
export const CHALLENGE = 'Bearer realm="elastik", Basic realm="elastik", charset="UTF-8"';

/**
 * Paths that only T3 can read, each with everything below it; in lower case. The cache of a plugin
 * contains responses to its callers, and these may have different rights. `/var/lib` contains what
 * plugins store for themselves.
 */
const PRIVATE = [
  "/boot",
  "/etc/shadow",
  "/etc/revoked",
  "/etc/quota",
  "/proc/source",
  "/var/cache",
  "/var/lib",
] as const;
/** What only T2 and T3 can read: the servers of a cluster. */
const NODES = "/proc/nodes";
/** The files of the browser shell. Any caller can read them, from any address. */
const SHELL = "/usr/lib/shell/";
const HEALTH = "/proc/health";
/**
 * Documents, skills and programs: what every holder of a capability needs to work. It contains nothing
 * private.
 */
const SHARED = "/usr";
/** Other paths that every holder of a capability can read: they describe the server and the caller. */
const DESCRIPTIONS: ReadonlySet<string> = new Set([
  "/auth/whoami",
  "/bin",
  "/proc/health",
  "/proc/status",
  "/proc/version",
  "/proc/worlds",
]);
/** Every caller can read it, but only T3 sees the secrets in it; in lower case. */
const REDACTED = "/etc/fstab";
/** Paths of mounts: the disk and other servers. A plugin there is open to callers without a scope. */
const MOUNTS = "/mnt";
/**
 * Paths that a plugin never changes on behalf of a caller, each with everything below it; in lower
 * case. They contain credentials, or code that runs with the rights of other callers.
 */
const NEVER_DELEGATED = [
  "/lib",
  "/boot",
  "/auth",
  "/etc/passwd",
  "/etc/shadow",
  "/etc/revoked",
  "/etc/quota",
  "/usr/lib/shell",
  "/usr/bin",
] as const;
const SLASH = 0x2f;

const VERBS: Record<Action, string> = {
  read: "read",
  write: "write",
  delete: "delete",
  activate: "change the state of",
  mint: "mint a capability for",
};

/**
 * Decides whether a caller can perform an action on a path.
 *
 * @param caller the caller
 * @param action the action
 * @param path canonical absolute path, as `parseTarget` returns it; for a route about a world (its
 * audit, its stream) the path of the world
 * @param verb what the refusal says that the caller cannot do: `move` for a deletion by MOVE
 */
export function decide(
  caller: Caller,
  action: Action,
  path: string,
  verb: string = VERBS[action],
): Decision {
  const { scope, grants, delegation } = caller;
  if (delegation !== undefined && outlivesRequest(delegation, action, path)) {
    return refuse(caller, verb, path, "a request of the caller itself");
  }
  if (grants !== undefined) {
    const isHeld = action !== "activate" && action !== "mint" && isGranted(grants, action, path);
    return isHeld ? ALLOWED : refuse(caller, verb, path, "a grant over the path");
  }
  const needed = neededTier(action, path);
  if (scope !== undefined) {
    const sufficient = neededCapability(action, path) ?? needed;
    if (!isInside(scope, path) && !(action === "read" && isOpen(path))) {
      return refuse(caller, verb, path, sufficient);
    }
    if (action === "write" && scope.mode === "r") return refuse(caller, verb, path, sufficient);
    if (action === "delete" && isDeletable(path)) {
      return scope.mode === "rwd" ? ALLOWED : refuse(caller, verb, path, sufficient);
    }
  }
  if (isAtLeast(caller.tier, needed)) return ALLOWED;
  const isDeletion = action === "delete" && isDeletable(path);
  return refuse(
    caller,
    verb,
    path,
    isDeletion ? `${needed} or ${neededCapability(action, path)}` : needed,
  );
}

/** The capability that allows an action on a path; undefined if none does. */
function neededCapability(action: Action, path: string): string | undefined {
  if (action === "delete") {
    return isDeletable(path) ? "a capability of mode rwd over the path" : undefined;
  }
  if (neededTier(action, path) === "T3") return undefined;
  return action === "write"
    ? "a capability of mode rw over the path"
    : "a capability over the path";
}

/**
 * Like {@link decide}, for callers that stop at a refusal.
 *
 * @throws {Problem} `unauthorized` (401) with a challenge, or `forbidden` (403)
 */
export function assertCan(caller: Caller, action: Action, path: string, verb?: string): void {
  assertAllowed(decide(caller, action, path, verb));
}

/**
 * Decides whether a caller can perform an action on a path and on every path below it, whether or
 * not a world exists there. The decision depends on the paths only, so a refusal reveals no name.
 *
 * @param path canonical absolute path of a collection
 */
export function decideTree(
  caller: Caller,
  action: "read" | "write" | "delete",
  path: string,
  verb: string = VERBS[action],
): Decision {
  const decision = decide(caller, action, path, verb);
  if (!decision.allowed) return decision;
  const { grants, tier } = caller;
  if (grants !== undefined) {
    return isTreeGranted(grants, action, path) ? ALLOWED : refuse(
      caller,
      `${verb} everything below`,
      path,
      "a grant over each path below it",
    );
  }
  if (action === "write" || tier === "T3") return decision; // what T2 can write, it can write whole
  const isSplit = PRIVATE.some((hidden) => isBelow(hidden, foldPath(path)));
  return isSplit ? refuse(caller, `${verb} everything below`, path, "T3") : decision;
}

/**
 * Like {@link decideTree}, for callers that stop at a refusal.
 *
 * @throws {Problem} `unauthorized` (401) with a challenge, or `forbidden` (403)
 */
export function assertCanTree(
  caller: Caller,
  action: "read" | "write" | "delete",
  path: string,
  verb?: string,
): void {
  assertAllowed(decideTree(caller, action, path, verb));
}

/**
 * Throws at the first path on which a caller cannot perform an action. An operation on many worlds
 * calls it with every name that it changes, before it changes any.
 *
 * @param paths canonical absolute paths
 * @throws {Problem} `unauthorized` (401) with a challenge, or `forbidden` (403)
 */
export function assertCanEach(
  caller: Caller,
  action: Action,
  paths: Iterable<string>,
  verb?: string,
): void {
  for (const path of paths) assertCan(caller, action, path, verb);
}

/**
 * Throws the problem of a refusal.
 *
 * @throws {Problem} `unauthorized` (401) with a challenge, or `forbidden` (403)
 */
export function assertAllowed(decision: Decision): void {
  if (decision.allowed) return;
  if (decision.status === 403) throw new Problem("forbidden", decision.detail);
  throw new Problem("unauthorized", decision.detail, { "www-authenticate": CHALLENGE });
}

/**
 * Checks whether a caller can read a path. The same result as {@link decide}, fast enough to filter
 * a listing.
 */
export function canRead(caller: Caller, path: string): boolean {
  const { scope, grants } = caller;
  if (grants !== undefined) return isGranted(grants, "read", path);
  if (scope === undefined) return caller.tier === "T3" || !isPrivate(path);
  return !isPrivate(path) && (isInside(scope, path) || isOpen(path));
}

/**
 * Decides whether a caller can read the log of a plugin. It contains what the plugin chose to write, also
 * about requests of others, so it is for T3, which approves plugins, and for the caller that wrote the
 * whole current source and still can.
 *
 * @param path path of the source, `/lib/gpu`
 * @param writer `by` of the last write of the source; undefined if it is not known
 */
export function decidePluginLog(
  caller: Caller,
  path: string,
  writer: string | undefined,
): Decision {
  if (readsAllPluginWords(caller)) return ALLOWED;
  if (caller.by === writer && decide(caller, "write", path).allowed) return ALLOWED;
  return refuse(caller, "read the log of", path, "T3 or the credential that wrote the source");
}

/**
 * Whether a caller can read every text of a plugin, also of sources that other callers wrote: T3, also
 * through a plugin that it calls.
 */
export function readsAllPluginWords({ tier, scope, grants }: Caller): boolean {
  return tier === "T3" && scope === undefined && grants === undefined;
}

/**
 * A cache key for what {@link canRead} allows: callers with the same key can read the same paths.
 * Undefined for a plugin that calls without a user, because plugins rarely have equal grants.
 */
export function readScopeKey({ scope, grants, tier }: Caller): string | undefined {
  if (grants !== undefined) return undefined;
  if (scope === undefined) return tier === "T3" ? "all" : "public";
  return `in ${innermostPrefix(scope)}`;
}

/**
 * Checks whether a caller that can read the path sees it with its secrets replaced (`bearer=***`).
 */
export function isRedacted(caller: Caller, path: string): boolean {
  return caller.tier !== "T3" && isAtOrBelow(path, REDACTED);
}

/** Whether a caller sees every world that it can read without redaction. */
export function seesSecrets(caller: Caller): boolean {
  return !isRedacted(caller, REDACTED);
}

/**
 * Checks whether a caller can use the token of a lock, refresh the lock and remove it: the caller has
 * the credential of its holder, or T3. A reader of the token is not enough.
 */
export function canUseLock(caller: Caller, holder: Caller): boolean {
  return hasCredentialOf(caller, holder) || caller.tier === "T3";
}

/**
 * Checks whether a caller can write without the token of a lock: T3 if a lower tier holds the lock.
 * Otherwise a lower tier could keep the operator from its own worlds.
 */
export function passesLock(caller: Caller, holder: Caller): boolean {
  return caller.tier === "T3" && holder.tier !== "T3";
}

/**
 * Decides whether a caller can copy the file of a world. The file contains everything, so the
 * caller must be able to read the world without redaction, and every world that its events name.
 *
 * The file of a plugin's source can contain texts of the plugin, which are for T3; so can a file that
 * was one before a move.
 *
 * @param named paths of the worlds that its events name, if they are known
 */
export function decideCopy(
  caller: Caller,
  path: string,
  named: readonly string[] = [],
): Decision {
  const decision = decide(caller, "read", path);
  if (!decision.allowed) return decision;
  if (isRedacted(caller, path)) return refuse(caller, "copy", path, "T3");
  const isSource = [path, ...named].some((each) => isBelow(foldPath(each), "/lib"));
  if (isSource && !readsAllPluginWords(caller)) return refuse(caller, "copy", path, "T3");
  if (named.every((other) => canRead(caller, other))) return decision;
  const what = `${path}, whose log names a world that the caller cannot read`;
  return refuse(caller, "copy", what, "T3");
}

/**
 * Decides whether a caller can call a route of a plugin. What the plugin then does on behalf of the
 * caller is decided by {@link decide} again. A capability with mode `r` allows safe methods only. It
 * reaches a route in three cases: it covers the path of the request; the route is of tier T1 and not
 * a mount; or it covers the subject. The name of a mount or of a path below a route gives no right.
 *
 * @param caller the caller
 * @param action `read` for the safe methods, and for a plugin without authority of its own; otherwise
 * `write`
 * @param path canonical path of the request
 * @param needed the tier that the plugin declares as its `auth`
 * @param subject the path after the route (`/home/x` of `/shaped/home/x`), if the plugin declares that
 * it names a world or a mounted file
 */
export function decideCall(
  caller: Caller,
  action: "read" | "write",
  path: string,
  needed: Tier,
  subject?: string,
): Decision {
  const { scope, grants } = caller;
  if (grants !== undefined) {
    return isGranted(grants, action, path)
      ? ALLOWED
      : refuse(caller, "call", path, "a grant over the path");
  }
  if (scope !== undefined) {
    const isReached = isInside(scope, path) || isOpenRoute(path, needed) ||
      subject !== undefined && isInside(scope, subject);
    if (!isReached) {
      return refuse(caller, "call", path, "a capability over the path");
    }
    if (action === "write" && scope.mode === "r") {
      return refuse(caller, "call", path, "a capability of mode rw");
    }
  }
  return isAtLeast(caller.tier, needed) ? ALLOWED : refuse(caller, "call", path, needed);
}

/** Whether a route is open to every capability: of tier T1 and not a mount. */
function isOpenRoute(path: string, needed: Tier): boolean {
  return needed === "T1" && !isAtOrBelow(path, MOUNTS);
}

/**
 * Checks whether a caller sees a route in `/bin`: a route that it can read, and for a capability also
 * every route that it can call, or can use for the worlds in its prefix.
 *
 * @param path canonical path of the route
 * @param needed tier of the plugin that has the route; undefined for a route of the core, which is the
 * same on every server
 */
export function canSeeRoute(caller: Caller, path: string, needed: Tier | undefined): boolean {
  if (canRead(caller, path)) return true;
  if (caller.scope === undefined || isPrivate(path)) return false;
  return needed === undefined || isOpenRoute(path, needed);
}

/**
 * Decides whether the fallback plugin can resolve a path without a handler for this caller. A
 * capability need not cover the path, because no world exists there; what the fallback reads on behalf
 * of the caller is decided by {@link decide}. A plugin that calls without a user is refused.
 *
 * @param caller the caller
 * @param path canonical path of the request
 * @param needed the tier that the fallback declares as its `auth`
 */
export function decideFallback(caller: Caller, path: string, needed: Tier): Decision {
  const isSufficient = caller.grants === undefined && isAtLeast(caller.tier, needed);
  return isSufficient ? ALLOWED : refuse(caller, "call", path, needed);
}

/**
 * Decides whether a request passes the gate of a server with tokens. A client on another computer
 * must send some valid credential, even one of a T1 account. Only the files of the shell and
 * `/proc/health` are public.
 *
 * @param caller the caller
 * @param path canonical path of the request
 * @param loopback whether the client itself runs on this computer
 */
export function decideEntry(caller: Caller, path: string, loopback: boolean): Decision {
  if (loopback || caller.authenticated === true || path.startsWith(SHELL)) return ALLOWED;
  // Load balancers have no credential. The response says whether the server works, and nothing else.
  if (path === HEALTH) return ALLOWED;
  return refuse(caller, "reach", path, "a credential of this server");
}

/**
 * Decides about a request that cannot be answered yet, so that the rights which it needs are not known. A
 * credential that is not valid gives none, however the request is decided later.
 *
 * @param verb what the refusal says that the caller cannot do, such as `find`
 * @returns a refusal with 401 if a credential was sent and is not valid, otherwise {@link ALLOWED}
 */
export function decideCredential(caller: Caller, verb: string, path: string): Decision {
  return caller.rejected === true ? refuse(caller, verb, path, "a valid credential") : ALLOWED;
}

/**
 * Whether an action of a plugin on behalf of a caller would have an effect after the request: more
 * authority, or code and accounts that the caller did not write itself. A change of a collection also
 * changes what is below it.
 */
function outlivesRequest({ isConfigPath }: Delegation, action: Action, path: string): boolean {
  if (action === "read") return false;
  if (action === "activate" || action === "mint") return true;
  const folded = foldPath(path);
  return folded === "/" || isConfigPath(path) ||
    NEVER_DELEGATED.some((never) => isAtOrBelow(folded, never) || never.startsWith(`${folded}/`));
}

function neededTier(action: Action, path: string): Tier {
  if (action === "read") return isPrivate(path) ? "T3" : path === NODES ? "T2" : "T1";
  return action === "write" && (path.startsWith("/home/") || isPluginSource(path)) ? "T2" : "T3";
}

/** Matches `/lib/<name>`, not `/lib` itself and no deeper path such as `/lib/<name>/state`. */
function isPluginSource(path: string): boolean {
  return path.startsWith("/lib/") && path.length > 5 && path.indexOf("/", 5) < 0;
}

/**
 * Whether a capability whose mode includes `d` can delete a path inside its prefix: what T2 can write,
 * except plugin sources. T2 is the most that a capability has.
 */
function isDeletable(path: string): boolean {
  return neededTier("write", path) === "T2" && !isPluginSource(path);
}

/** Whether every capability can read a path outside its prefix. */
function isOpen(path: string): boolean {
  return isBelow(path, SHARED) || DESCRIPTIONS.has(path);
}

/** The parts of the tree that every capability can read, for `toReadScope`. */
export function openPartsOfCapability(): readonly Within[] {
  return [{ name: SHARED.slice(1), part: "tree", restricted: false }];
}

/** Whether only T3 can read a path, and a plugin that was granted it by name. */
export function isPrivatePath(path: string): boolean {
  return isPrivate(path);
}

function isPrivate(path: string): boolean {
  for (const prefix of PRIVATE) {
    if (isAtOrBelow(path, prefix)) return true;
  }
  return false;
}

/**
 * Compares spellings that some disks do not distinguish as equal, see `foldPath`: on macOS and Windows
 * `/etc/Shadow` and `/etc/shadow` are one folder, so both must have the same protection.
 */
function isAtOrBelow(path: string, prefix: string): boolean {
  const { length } = prefix;
  for (let at = 1; at < length; at++) {
    const code = path.charCodeAt(at);
    if ((code | 0x20) !== prefix.charCodeAt(at)) {
      return code > 0x7f && isBelow(foldPath(path), prefix);
    }
  }
  const next = path.charCodeAt(length);
  if (path.length === length || next === SLASH) return true;
  // A dot, a space or an invisible character after the name.
  return (next === 0x2e || next === 0x20 || next > 0x7f) && isBelow(foldPath(path), prefix);
}

function isBelow(path: string, prefix: string): boolean {
  return path === prefix || prefix === "/" || path.startsWith(`${prefix}/`);
}

function refuse(caller: Caller, verb: string, path: string, needs: string): Refusal {
  return {
    allowed: false,
    status: caller.authenticated === true ? 403 : 401,
    needs,
    detail: `Cannot ${verb} ${path}: ${describeAuthority(caller)}; ${needs} is required`,
  };
}

function describeAuthority(caller: Caller): string {
  const { delegation } = caller;
  if (delegation !== undefined) {
    const { plugin } = delegation;
    return `the plugin ${plugin} calls on behalf of the caller (${describeHolder(caller)})`;
  }
  return describeHolder(caller);
}

function describeHolder(caller: Caller): string {
  if (caller.revoked === true) return "the capability was revoked";
  if (caller.rejected === true) return "the credential is unknown or expired";
  if (caller.authenticated !== true) return "no credential was sent";
  const { scope, grants } = caller;
  if (grants !== undefined) {
    return `the plugin's grants are ${Object.keys(grants).join(" and ") || "none"}`;
  }
  if (scope === undefined) return `the caller has ${caller.tier}`;
  return `the capability covers ${innermostPrefix(scope)} with mode ${scope.mode}`;
}
