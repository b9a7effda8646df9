/**
 * Whether a change may pass the locks: the If header is judged and the tokens it submits are held
 * against the locks on what would change (RFC 4918 §7, §10.4). Plain requests pass here as well as
 * WebDAV's, or a lock would protect from half of the machine's writers alone.
 */

import type { Caller } from "../../auth/caller.ts";
import { canRead, decide } from "../../auth/policy.ts";
import type { RequestContext } from "../../request/request_context.ts";
import { readHost } from "../../http/host.ts";
import { Problem } from "../../http/problem.ts";
import type { Store } from "../../world/store.ts";
import { davEtagFor } from "../resource/dav_etag.ts";
import { DavProblem } from "../resource/dav_problem.ts";
import { parseOwnUrl, toWorldTarget } from "../resource/destination.ts";
import { evaluateIf, parseIf, submittedTokens } from "./if_header.ts";
import { type Lock, type LockTable, parentOf } from "./lock_table.ts";

const NO_TOKENS: ReadonlySet<string> = new Set();

/** Who asks, with which tokens. */
export interface LockClaim {
  readonly caller: Caller;
  readonly submitted: ReadonlySet<string>;
}

/** What a change does to a path. */
export type ChangeScope =
  | "content" // its bytes or properties
  | "membership" // it comes, and its collection changes with it
  | "tree"; // it goes or is replaced with everything below it

/**
 * Judges the If header of a request.
 *
 * @param path the world's own path
 * @returns the tokens it submits
 * @throws {Problem} `bad-header`, or `precondition-failed` when no list holds
 */
export function evaluateIfHeader(
  request: Request,
  path: string,
  caller: Caller,
  locks: LockTable,
  store: Store,
): ReadonlySet<string> {
  const header = request.headers.get("if");
  if (header === null) return NO_TOKENS;
  const lists = parseIf(header);
  if ("fault" in lists) {
    throw new Problem("bad-header", `Cannot read the If header: ${lists.fault} (RFC 4918 §10.4)`);
  }
  const authority = readHost(request);
  function pathOf(tag: string | undefined): string | undefined {
    if (tag === undefined) return path;
    const own = parseOwnUrl(tag, authority);
    return own === undefined ? undefined : (toWorldTarget(own) ?? own).path;
  }
  const holds = evaluateIf(lists, {
    hasToken(tag, token) {
      const at = pathOf(tag);
      return at !== undefined && locks.covering(at).some((lock) => lock.token === token);
    },
    hasEtag(tag, etag) {
      const at = pathOf(tag);
      // Of what the caller may not read, not even a guess is confirmed.
      if (at === undefined || !canRead(caller, at)) return false;
      const entry = store.stat(at.slice(1));
      return entry !== undefined && davEtagFor(caller, entry) === etag;
    },
  });
  if (!holds) {
    throw new Problem(
      "precondition-failed",
      `Cannot ${request.method} ${path}: no list of the If header holds; its lock may have ended`,
    );
  }
  return submittedTokens(lists);
}

/**
 * Lets a change pass, or throws.
 *
 * @throws {DavProblem} `locked`, with the roots of the locks whose tokens are missing
 */
export function assertLockTokens(
  locks: LockTable,
  who: LockClaim,
  path: string,
  touch: ChangeScope,
): void {
  if (locks.isEmpty) return;
  const missing = missingLocks(locks, who, path, touch);
  if (missing.length === 0) return;
  const roots = [...new Set(missing.map((lock) => lock.path))];
  throw new DavProblem(
    "locked",
    "lock-token-submitted",
    `Cannot change ${path}: ${roots.slice(0, 5).join(" and ")} is locked; ` +
      "the If header with the token of whoever locked it is needed",
    roots,
  );
}

/** The locks that stand against a change. */
export function missingLocks(
  locks: LockTable,
  who: LockClaim,
  path: string,
  touch: ChangeScope,
): readonly Lock[] {
  const missing = unheld(locks.covering(path), who);
  if (touch === "content") return missing;
  const above = path === "/" ? [] : unheld(locks.covering(parentOf(path)), who);
  const below = touch === "tree" ? locks.below(path).filter((lock) => !holds(lock, who)) : [];
  return [...missing, ...above, ...below];
}

/**
 * The hook of the plain paths: judges and passes in one step. Without any lock it is free, and an If
 * header, which can then only fail or say nothing, is not looked at.
 *
 * @throws {Problem} as {@link evaluateIfHeader} and {@link assertLockTokens}
 */
export function assertUnlocked(
  locks: LockTable,
  store: Store,
  { request, target, caller }: RequestContext,
  tree: boolean,
): void {
  if (locks.isEmpty) return;
  const submitted = evaluateIfHeader(request, target.path, caller, locks, store);
  const touch = tree ? "tree" : store.stat(target.name) === undefined ? "membership" : "content";
  assertLockTokens(locks, { caller, submitted }, target.path, touch);
}

/** Whoever may delete what a lock protects may also use or end the lock; nobody else's token helps. */
export function canUseLock(lock: Lock, caller: Caller): boolean {
  return lock.by === caller.by || decide(caller, "delete", lock.path).allowed;
}

/** Of shared locks on a resource, the token of one is enough (RFC 4918 §6.2, §7). */
function unheld(covering: readonly Lock[], who: LockClaim): readonly Lock[] {
  return covering.some((lock) => holds(lock, who)) ? [] : covering;
}

function holds(lock: Lock, { caller, submitted }: LockClaim): boolean {
  return submitted.has(lock.token) && canUseLock(lock, caller);
}
