/**
 * The LOCK and UNLOCK methods of WebDAV (RFC 4918 §9.10, §9.11): create, refresh and remove locks.
 * The caller must be able to write the path. LOCK on a path without a resource creates an empty
 * world.
 */

import { UNCACHED_HEADERS } from "../../http/headers.ts";
import { initialState } from "../../world/store.ts";
import { currentWriteChecks } from "../../world/write_checks.ts";
import { assertCan, assertCanTree, canUseLock, passesLock } from "../../auth/policy.ts";
import { Problem } from "../../http/problem.ts";
import { toStoreProblem } from "../../response/store_problem.ts";
import { readDepth, readLockToken, readTimeout } from "../resource/dav_headers.ts";
import { DavProblem } from "../resource/dav_problem.ts";
import { chooseDavExt } from "../resource/file_extension.ts";
import { assertLockTokens } from "../locks/lock_guard.ts";
import type { Lock } from "../locks/locks.ts";
import { parseLockInfo, writeLockDiscovery } from "../locks/lock_xml.ts";
import { assertParentExists, assertWorld } from "./target_checks.ts";
import { findResource } from "../resource/resource.ts";
import { type DavContext, type DavRequest, readDavXml } from "./dav_context.ts";

/**
 * Handles a LOCK request: creates a lock, or refreshes one if the request has no body.
 *
 * @throws {Problem}
 */
export async function lock(context: DavContext, davRequest: DavRequest): Promise<Response> {
  const { request, caller, target: { path } } = davRequest;
  assertCan(caller, "write", path);
  const root = await readDavXml(context, davRequest);
  if (root === undefined) return refresh(context, davRequest);
  const lockRequest = {
    path,
    ...parseLockInfo(root),
    depth: readDepth(request.headers, "infinity", ["0", "infinity"]),
    holder: caller,
    seconds: readTimeout(request.headers),
  };
  // A lock of a collection prevents writes by others on every path below it.
  if (lockRequest.depth === "infinity") assertCanTree(caller, "write", path);
  const isMissing = await checkMissing(context, davRequest);
  // File systems lock a file before they write it, so a lock of a lower tier would stop T3.
  const granted = await context.locks.grant(
    lockRequest,
    ({ holder }) => passesLock(caller, holder),
  );
  if ("full" in granted) throw tooManyLocks(granted.full, path);
  if ("conflict" in granted) {
    throw new DavProblem(
      "locked",
      "no-conflicting-lock",
      `Cannot lock ${path}: ${granted.conflict.path} is locked; wait for the end of that lock`,
      [granted.conflict.path],
    );
  }
  // The checks before did not know the new lock.
  currentWriteChecks()?.clear();
  // The world is created last: a request that is refused leaves no empty world.
  const created = isMissing && await createWorld(context, davRequest, granted);
  return lockResponse([granted], created ? 201 : 200, { "lock-token": `<${granted.token}>` });
}

function tooManyLocks(full: "credential" | "server", path: string): Problem {
  return full === "credential"
    ? new Problem(
      "too-many-requests",
      `Cannot lock ${path}: the credential holds the maximum number of locks; UNLOCK some of them`,
      { "retry-after": "60" },
    )
    : new Problem(
      "unavailable",
      `Cannot lock ${path}: the server has the maximum number of locks; try again later`,
      { "retry-after": "60" },
    );
}

/**
 * Checks whether the path has no resource and one can be created (RFC 4918 §7.3).
 *
 * @throws {Problem} if it has none and none can be created
 */
async function checkMissing(context: DavContext, davRequest: DavRequest): Promise<boolean> {
  const { request, target } = davRequest;
  const { store } = context.server;
  if (await findResource(store, target.path) !== undefined) return false;
  assertWorld(target, request.method);
  await assertParentExists(store, target.path, "LOCK");
  assertLockTokens(context.locks, davRequest, target.path, "membership");
  return true;
}

/**
 * Creates an empty world; removes the lock if that fails.
 *
 * @returns whether a world was created
 */
async function createWorld(
  { locks, server: { store } }: DavContext,
  davRequest: DavRequest,
  granted: Lock,
): Promise<boolean> {
  const { caller, submitted, target: { name, path } } = davRequest;
  const body = new Uint8Array();
  try {
    const claim = { caller, submitted: new Set([...submitted, granted.token]) };
    assertLockTokens(locks, claim, path, "membership");
    await store.put({
      name,
      body,
      ext: chooseDavExt(name, null, body, undefined),
      meta: [],
      by: caller.by,
      state: initialState(name),
      precondition: { noneMatch: "*" },
    });
    return true;
  } catch (error) {
    const problem = toStoreProblem(error, "LOCK", path);
    // Another request created the world first; lock that one.
    if (problem instanceof Problem && problem.status === 412) return false;
    await locks.abandon(granted);
    throw problem;
  }
}

async function refresh(
  { locks }: DavContext,
  { request, caller, submitted, target: { path } }: DavRequest,
): Promise<Response> {
  const named = locks.covering(path).filter(({ token }) => submitted.has(token));
  const [found] = named;
  if (found === undefined || named.length !== 1) throw createTokenProblem(path, named.length);
  assertOwner(found, asOwner(caller), path);
  const refreshed = await locks.refresh(found, readTimeout(request.headers));
  if (refreshed === undefined) throw createTokenProblem(path, 0);
  return lockResponse([refreshed], 200);
}

/** @param found number of locks of the path whose tokens were sent */
function createTokenProblem(path: string, found: number): DavProblem {
  return new DavProblem(
    "precondition-failed",
    "lock-token-matches-request-uri",
    `Cannot refresh a lock of ${path}: the If header has the tokens of ${found} of its locks; send ` +
      "exactly one, or send a DAV:lockinfo for a new lock",
  );
}

/**
 * Handles an UNLOCK request: removes a lock.
 *
 * @throws {Problem}
 */
export async function unlock(
  { locks }: DavContext,
  { request, caller, target: { path } }: DavRequest,
): Promise<Response> {
  assertCan(caller, "write", path);
  const token = readLockToken(request.headers);
  const found = locks.covering(path).find((lock) => lock.token === token);
  if (found === undefined) {
    throw new DavProblem(
      "conflict",
      "lock-token-matches-request-uri",
      `Cannot unlock ${path}: it has no lock with this token; read lockdiscovery with PROPFIND`,
    );
  }
  assertOwner(found, asOwner(caller), path);
  await locks.release(found);
  currentWriteChecks()?.recordEffect();
  return new Response(null, { status: 204 });
}

function asOwner(caller: DavRequest["caller"]): (lock: Lock) => boolean {
  return (lock) => canUseLock(caller, lock.holder);
}

function assertOwner(lock: Lock, isOwner: (lock: Lock) => boolean, path: string): void {
  if (isOwner(lock)) return;
  throw new Problem(
    "forbidden",
    `Cannot change the lock of ${path}: another credential holds it; T3 is required`,
  );
}

function lockResponse(
  locks: readonly Lock[],
  status: number,
  headers: Readonly<Record<string, string>> = {},
): Response {
  return new Response(
    `<?xml version="1.0" encoding="utf-8"?>\n<D:prop xmlns:D="DAV:">${
      writeLockDiscovery(locks)
    }</D:prop>\n`,
    {
      status,
      headers: {
        ...headers,
        "content-type": "application/xml; charset=utf-8",
        ...UNCACHED_HEADERS,
      },
    },
  );
}
