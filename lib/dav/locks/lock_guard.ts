/**
 * Checks a change against the locks: evaluates the If header and compares the submitted lock tokens
 * with the locks on the affected resources (RFC 4918 §7, §10.4). Every write must pass this check,
 * on plain paths too; otherwise a lock would protect only against WebDAV clients.
 */

import type { Caller } from "../../auth/caller.ts";
import { canRead, canUseLock, passesLock } from "../../auth/policy.ts";
import { redactFor } from "../../auth/redact.ts";
import { parseWorldTags } from "../../http/etag.ts";
import type { RequestContext } from "../../request/request_context.ts";
import { readHost } from "../../http/host.ts";
import { Problem } from "../../http/problem.ts";
import type { Precondition, Store, WorldEntry } from "../../world/store.ts";
import { currentWriteChecks } from "../../world/write_checks.ts";
import { davEtagFor } from "../resource/dav_etag.ts";
import { DavProblem } from "../resource/dav_problem.ts";
import { parseOwnUrl, toWorldTarget } from "../resource/destination.ts";
import { findResource } from "../resource/resource.ts";
import { evaluateIf, parseIf, submittedTokens } from "./if_header.ts";
import { parentOf } from "./lock_paths.ts";
import type { Lock, Locks } from "./locks.ts";

/** A caller with the lock tokens that its request submitted. */
export interface LockClaim {
  readonly caller: Caller;
  readonly submitted: ReadonlySet<string>;
}

/** What a change of a path affects. */
export type ChangeScope =
  | "content" // the bytes or properties of the resource
  | "membership" // the resource is created, which changes its collection
  | "tree"; // the resource is deleted or replaced with all resources below it

/** Result of an If header that is true. */
export interface IfResult {
  /** Lock tokens that the header submits. */
  readonly submitted: ReadonlySet<string>;
  /**
   * The version of the request's world that the header was compared with, `none` if the world does not
   * exist; absent if the header has no entity tag for it.
   */
  readonly version?: number | "none";
}

const NO_HEADER: IfResult = { submitted: new Set() };

/**
 * Evaluates the If header of a request. Synchronous without a header.
 *
 * @param path canonical path of the world
 * @returns the lock tokens that the header submits; none without a header
 * @throws {Problem} `bad-header` if the header is not valid, `precondition-failed` if no list is
 * true
 */
export function evaluateIfHeader(
  request: Request,
  path: string,
  caller: Caller,
  locks: Locks,
  store: Store,
): IfResult | Promise<IfResult> {
  const header = request.headers.get("if");
  return header === null ? NO_HEADER : evaluateHeader(header, request, path, caller, locks, store);
}

async function evaluateHeader(
  header: string,
  request: Request,
  path: string,
  caller: Caller,
  locks: Locks,
  store: Store,
): Promise<IfResult> {
  const lists = parseIf(header);
  if ("fault" in lists) {
    throw new Problem("bad-header", `Cannot read the If header: ${lists.fault} (RFC 4918 §10.4)`);
  }
  // Another server may have granted the lock a moment ago.
  if (locks.isShared) await store.refresh();
  const authority = readHost(request);
  function pathOf(tag: string | undefined): string | undefined {
    if (tag === undefined) return path;
    const own = parseOwnUrl(tag, authority);
    return own === undefined ? undefined : (toWorldTarget(own) ?? own).path;
  }
  const tagged = lists.filter(({ conditions }) => conditions.some(({ kind }) => kind === "etag"));
  for (const at of new Set(tagged.map(({ tag }) => pathOf(tag)))) {
    // Reads the version of a world that was not used since the start.
    if (at !== undefined && canRead(caller, at)) await findResource(store, at);
  }
  const own = store.stat(path.slice(1));
  const isSatisfied = evaluateIf(lists, {
    hasToken(tag, token) {
      const at = pathOf(tag);
      return at !== undefined && locks.covering(at).some((lock) => lock.token === token);
    },
    hasEtag(tag, etag) {
      const at = pathOf(tag);
      // The result must not confirm a guessed tag of a world that the caller cannot read.
      if (at === undefined || !canRead(caller, at)) return false;
      const entry = store.stat(at.slice(1));
      return entry !== undefined &&
        (davEtagFor(caller, entry) === etag || isPlainTag(store, caller, entry, etag));
    },
  });
  if (!isSatisfied) {
    throw new Problem(
      "precondition-failed",
      `Cannot ${request.method} ${path}: no list of the If header is true; the lock may have expired`,
    );
  }
  const submitted = submittedTokens(lists);
  const comparesOwn = tagged.some(({ tag }) => pathOf(tag) === path);
  return comparesOwn ? { submitted, version: own?.version ?? "none" } : { submitted };
}

/**
 * Checks whether a tag is that of a plain path. Its hash is compared if the world is in memory; the
 * version is enough otherwise, because no name uses a version twice.
 */
function isPlainTag(store: Store, caller: Caller, entry: WorldEntry, etag: string): boolean {
  const tags = parseWorldTags(etag, "strong");
  if (tags === "*" || "fault" in tags) return false;
  const world = store.peek(entry.name);
  const sha256 = world === undefined ? undefined : redactFor(caller, world).sha256;
  return tags.some((tag) =>
    tag.version === entry.version &&
    (tag.sha256 === undefined || sha256 === undefined || sha256.startsWith(tag.sha256))
  );
}

/**
 * Throws if a request did not submit the tokens of all locks that a change affects. If locks are shared,
 * the check is made again right before the changes of the request.
 *
 * @throws {DavProblem} `locked`, with the paths of the locks whose tokens are missing
 */
export function assertLockTokens(
  locks: Locks,
  claim: LockClaim,
  path: string,
  scope: ChangeScope,
): void {
  assertTokens(locks, claim, path, scope);
  if (!locks.isShared) return;
  const check = () => assertTokens(locks, claim, path, scope);
  currentWriteChecks()?.add(() => locks.version, check);
}

function assertTokens(locks: Locks, claim: LockClaim, path: string, scope: ChangeScope): void {
  if (locks.isEmpty) return;
  const missing = missingLocks(locks, claim, path, scope);
  if (missing.length === 0) return;
  const roots = [...new Set(missing.map((lock) => lock.path))];
  throw new DavProblem(
    "locked",
    "lock-token-submitted",
    `Cannot change ${path}: ${roots.slice(0, 5).join(" and ")} is locked; ` +
      "send the lock token in the If header",
    roots,
  );
}

/** Returns the locks that prevent a change because their tokens were not submitted. */
export function missingLocks(
  locks: Locks,
  claim: LockClaim,
  path: string,
  scope: ChangeScope,
): readonly Lock[] {
  const missing = withoutToken(locks.covering(path), claim);
  if (scope === "content") return missing;
  const above = path === "/" ? [] : withoutToken(locks.covering(parentOf(path)), claim);
  const below = scope === "tree" ? locks.below(path).filter((lock) => binds(lock, claim)) : [];
  return [...missing, ...above, ...below];
}

/**
 * Checks a write on a plain path against its If header and the locks.
 *
 * @param tree whether the request deletes a collection with all its worlds
 * @param precondition the precondition of the other headers
 * @returns the precondition, which also requires the version that the If header was compared with
 * @throws {Problem} as {@link evaluateIfHeader} and {@link assertLockTokens}
 */
export async function assertUnlocked(
  locks: Locks,
  store: Store,
  { request, target, caller }: RequestContext,
  tree: boolean,
  precondition: Precondition | undefined,
): Promise<Precondition | undefined> {
  if (locks.isEmpty && !locks.isShared && !request.headers.has("if")) return precondition;
  const { submitted, version } = await evaluateIfHeader(
    request,
    target.path,
    caller,
    locks,
    store,
  );
  const claim = { caller, submitted };
  const scopeNow = () =>
    tree ? "tree" : store.stat(target.name) === undefined ? "membership" : "content";
  if (locks.isShared && missingLocks(locks, claim, target.path, scopeNow()).length > 0) {
    // Another server may have ended the lock a moment ago.
    await store.refresh();
  }
  assertLockTokens(locks, claim, target.path, scopeNow());
  if (version === undefined || Array.isArray(precondition?.match)) return precondition;
  return version === "none"
    ? { ...precondition, noneMatch: "*" }
    : { ...precondition, match: [{ version }] };
}

/**
 * Returns the locks that bind the caller unless the token of one was submitted; one shared lock is
 * enough (§6.2, §7).
 */
function withoutToken(covering: readonly Lock[], claim: LockClaim): readonly Lock[] {
  if (covering.some((lock) => hasToken(lock, claim))) return [];
  return covering.filter(({ holder }) => !passesLock(claim.caller, holder));
}

function hasToken(lock: Lock, { caller, submitted }: LockClaim): boolean {
  return submitted.has(lock.token) && canUseLock(caller, lock.holder);
}

function binds(lock: Lock, claim: LockClaim): boolean {
  return !hasToken(lock, claim) && !passesLock(claim.caller, lock.holder);
}
