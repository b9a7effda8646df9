/**
 * Who may do what: the one place where a tier or a scope meets a path. It is pure, knows neither
 * store nor request, and is asked before anything is looked up, so a refusal is the same whether or
 * not the world exists. No other module may compare tiers.
 */

import { Problem } from "../http/problem.ts";
import { type Caller, isAtLeast, type Tier } from "./caller.ts";
import { isInside } from "./capability.ts";
import { isGranted } from "./grants.ts";

/**
 * What a caller wants with a world or a collection. Looking at it by any door (its events, its audit,
 * its stream, its place in a listing) is `read`; bringing back an earlier version is `write`; to
 * change a plugin's state is `activate`; to mint a capability over a path is `mint`.
 */
export type Action = "read" | "write" | "delete" | "activate" | "mint";

/** The answer. Allowed is always the same object. */
export type Decision = typeof ALLOWED | Refusal;

/** Why not, in the terms of RFC 9110 §15.5.2 and §15.5.4. */
export interface Refusal {
  readonly allowed: false;
  /** 401 when no valid credential came with the request, 403 when a valid one does not reach. */
  readonly status: 401 | 403;
  /** What would have sufficed, as a phrase: `T3`, `a capability over the path`. */
  readonly needs: string;
  /** The sentence for the problem's detail. */
  readonly detail: string;
}

/** The verdict of everything that is allowed. */
export const ALLOWED: { readonly allowed: true } = Object.freeze({ allowed: true });

/** What a 401 asks for (RFC 6750 §3, RFC 7617 §2.1). */
export const CHALLENGE = 'Bearer realm="elastik", Basic realm="elastik", charset="UTF-8"';

/**
 * What only T3 may read, each with everything below it. In lower case. A plugin's cache holds what
 * its callers were told, and not everyone may be told the same.
 */
const PRIVATE = ["/boot", "/etc/shadow", "/proc/source", "/var/cache"] as const;
/** The browser shell's own files, which any caller may read from anywhere. */
const SHELL = "/usr/lib/shell/";
/** What an AI reads to use the machine: whoever was given a capability, however narrow, needs it. */
const SKILLS = "/usr/lib/skills/";
/** Says what the caller is, so every caller may ask. */
const WHOAMI = "/auth/whoami";
/** What everyone may read but only T3 with its secrets in it. In lower case. */
const REDACTED = "/etc/fstab";
const SLASH = 0x2f;

const VERBS: Record<Action, string> = {
  read: "read",
  write: "write",
  delete: "delete",
  activate: "change the state of",
  mint: "mint a capability for",
};

/**
 * Whether the caller may do this to this path.
 *
 * @param path canonical and absolute, as `parseTarget` gives it; for what is about a world (its
 * audit, its stream) the world's own path
 */
export function decide(caller: Caller, action: Action, path: string): Decision {
  const { scope, grants } = caller;
  if (grants !== undefined) {
    const held = action !== "activate" && action !== "mint" && isGranted(grants, action, path);
    return held ? ALLOWED : refuse(caller, VERBS[action], path, "a grant over the path");
  }
  if (scope !== undefined) {
    if (!isInside(scope, path) && !(action === "read" && isOpen(path))) {
      return refuse(caller, VERBS[action], path, "a capability over the path");
    }
    if (action === "write" && scope.mode === "r") {
      return refuse(caller, VERBS[action], path, "a capability of mode rw");
    }
  }
  const needed = neededTier(action, path);
  return isAtLeast(caller.tier, needed) ? ALLOWED : refuse(caller, VERBS[action], path, needed);
}

/**
 * Like {@link decide}, for callers who stop at a refusal.
 *
 * @throws {Problem} `unauthorized` with its challenge, or `forbidden`
 */
export function assertCan(caller: Caller, action: Action, path: string): void {
  assertAllowed(decide(caller, action, path));
}

/**
 * Turns a refusal into the problem it is.
 *
 * @throws {Problem} `unauthorized` with its challenge, or `forbidden`
 */
export function assertAllowed(verdict: Decision): void {
  if (verdict.allowed) return;
  if (verdict.status === 403) throw new Problem("forbidden", verdict.detail);
  throw new Problem("unauthorized", verdict.detail, { "www-authenticate": CHALLENGE });
}

/** Whether the caller may read the path; what {@link decide} says, fast enough to filter a listing. */
export function canRead(caller: Caller, path: string): boolean {
  const { scope, grants } = caller;
  if (grants !== undefined) return isGranted(grants, "read", path);
  if (scope === undefined) return caller.tier === "T3" || !isPrivate(path);
  return !isPrivate(path) && (isInside(scope, path) || isOpen(path));
}

/**
 * What {@link canRead} depends on, as text: callers of the same sight see the same. `undefined` for a
 * plugin on its own, whose grants are not worth comparing.
 */
export function readScopeKey({ scope, grants, tier }: Caller): string | undefined {
  if (grants !== undefined) return undefined;
  if (scope === undefined) return tier === "T3" ? "all" : "public";
  return `in ${JSON.stringify(scope.prefixes)}`;
}

/** Whether the caller, who may read the path, is shown it with its secrets struck out (`bearer=***`). */
export function isRedacted(caller: Caller, path: string): boolean {
  return caller.tier !== "T3" && isAtOrBelow(path, REDACTED);
}

/**
 * Whether the caller may have a world's whole file: everything in it is read, so it must be shown to
 * the caller without anything struck out.
 */
export function decideCopy(caller: Caller, path: string): Decision {
  const verdict = decide(caller, "read", path);
  return verdict.allowed && isRedacted(caller, path) ? refuse(caller, "copy", path, "T3") : verdict;
}

/**
 * Whether the caller may call a plugin's route at all; what the plugin then does in the caller's name
 * comes back through {@link decide}. A capability counts as T2 where it covers the subject, and one of
 * mode `r` only asks.
 *
 * @param action `read` for the safe methods, `write` for all others
 * @param path canonical path of the request
 * @param needed the tier the plugin declares as its `auth`
 * @param subject the world the route is about where the route names one (`/home/x` of
 * `/shaped/home/x`), else the route's own path; a capability must cover one of the two
 */
export function decideCall(
  caller: Caller,
  action: "read" | "write",
  path: string,
  needed: Tier,
  subject: string = path,
): Decision {
  const { scope, grants } = caller;
  if (grants !== undefined) {
    return isGranted(grants, action, path)
      ? ALLOWED
      : refuse(caller, "call", path, "a grant over the path");
  }
  if (scope !== undefined) {
    if (!isInside(scope, subject) && !isInside(scope, path)) {
      return refuse(caller, "call", path, "a capability over the path");
    }
    if (action === "write" && scope.mode === "r") {
      return refuse(caller, "call", path, "a capability of mode rw");
    }
  }
  return isAtLeast(caller.tier, needed) ? ALLOWED : refuse(caller, "call", path, needed);
}

/**
 * Whether the caller may have the fallback look for a path that nothing answers for. The path is
 * nobody's, so no capability need cover it; what the fallback then reads in the caller's name comes
 * back through {@link decide}. A plugin on its own names what it wants.
 *
 * @param path canonical path of the request
 * @param needed the tier the fallback declares as its `auth`
 */
export function decideFallback(caller: Caller, path: string, needed: Tier): Decision {
  const reaching = caller.grants === undefined && isAtLeast(caller.tier, needed);
  return reaching ? ALLOWED : refuse(caller, "call", path, needed);
}

/**
 * The public gate of a machine that has tokens: who is not on this machine shows some credential, be
 * it a T1 account's, before anything but the shell's files.
 *
 * @param loopback whether the client itself is on this machine
 */
export function decideEntry(caller: Caller, path: string, loopback: boolean): Decision {
  if (loopback || caller.authenticated === true || path.startsWith(SHELL)) return ALLOWED;
  return refuse(caller, "reach", path, "any credential of this machine");
}

function neededTier(action: Action, path: string): Tier {
  if (action === "read") return isPrivate(path) ? "T3" : "T1";
  return action === "write" && (path.startsWith("/home/") || isPluginSource(path)) ? "T2" : "T3";
}

/** `/lib/<name>`, not `/lib` itself nor what lies deeper, such as `/lib/<name>/state`. */
function isPluginSource(path: string): boolean {
  return path.startsWith("/lib/") && path.length > 5 && path.indexOf("/", 5) < 0;
}

function isOpen(path: string): boolean {
  return path.startsWith(SHELL) || path.startsWith(SKILLS) || path === WHOAMI;
}

function isPrivate(path: string): boolean {
  for (const prefix of PRIVATE) {
    if (isAtOrBelow(path, prefix)) return true;
  }
  return false;
}

/**
 * Letters are compared without their case: a disk that ignores case (macOS, Windows) would hold
 * `/etc/Shadow` and `/etc/shadow` in one folder, and no spelling may show the other's bytes.
 */
function isAtOrBelow(path: string, prefix: string): boolean {
  const { length } = prefix;
  if (path.length !== length && path.charCodeAt(length) !== SLASH) return false;
  for (let at = 1; at < length; at++) {
    if ((path.charCodeAt(at) | 0x20) !== prefix.charCodeAt(at)) return false;
  }
  return true;
}

function refuse(caller: Caller, verb: string, path: string, needs: string): Refusal {
  return {
    allowed: false,
    status: caller.authenticated === true ? 403 : 401,
    needs,
    detail: `Cannot ${verb} ${path}: ${found(caller)}, ${needs} is needed`,
  };
}

function found(caller: Caller): string {
  if (caller.rejected === true) return "the credential sent is unknown or has expired";
  if (caller.authenticated !== true) return "no credential was sent";
  const { scope, grants } = caller;
  if (grants !== undefined) {
    return `the plugin's grants are ${Object.keys(grants).join(" and ") || "none"}`;
  }
  if (scope === undefined) return `the caller is ${caller.tier}`;
  return `the capability reaches ${scope.prefixes.join(" and ")} with mode ${scope.mode}`;
}
