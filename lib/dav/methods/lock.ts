/**
 * The LOCK and UNLOCK methods of WebDAV (RFC 4918 §9.10, §9.11): create, refresh and remove locks.
 * The caller must be able to write the path. LOCK on a path without a resource creates an empty
 * world.
 */

import { UNCACHED_HEADERS } from "../../http/headers.ts";
import { initialState } from "../../world/store.ts";
import { assertCan, assertCanTree } from "../../auth/policy.ts";
import { Problem } from "../../http/problem.ts";
import { toStoreProblem } from "../../response/store_problem.ts";
import { readDepth, readLockToken, readTimeout } from "../resource/dav_headers.ts";
import { DavProblem } from "../resource/dav_problem.ts";
import { chooseDavExt } from "../resource/file_extension.ts";
import { assertLockTokens, canUseLock } from "../locks/lock_guard.ts";
import type { Lock } from "../locks/lock_table.ts";
import { parseLockInfo, writeLockDiscovery } from "../locks/lock_xml.ts";
import { assertParentExists, assertWorld } from "./target_checks.ts";
import { findResource } from "../resource/resource.ts";
import type { DavContext, DavRequest } from "./dav_context.ts";
import { readXml } from "../xml/xml_reader.ts";

/**
 * Handles a LOCK request: creates a lock, or refreshes one if the request has no body.
 *
 * @throws {Problem}
 */
export async function lock(context: DavContext, davRequest: DavRequest): Promise<Response> {
  const { request, caller, target: { path } } = davRequest;
  assertCan(caller, "write", path);
  const root = await readXml(request);
  if (root === undefined) return refresh(context, davRequest);
  const lockRequest = {
    path,
    ...parseLockInfo(root),
    depth: readDepth(request.headers, "infinity", ["0", "infinity"]),
    by: caller.by,
    seconds: readTimeout(request.headers),
  };
  // A lock of a collection prevents writes by others on every path below it.
  if (lockRequest.depth === "infinity") assertCanTree(caller, "write", path);
  const created = await createWorldIfMissing(context, davRequest);
  const granted = context.locks.grant(lockRequest);
  if ("full" in granted) {
    throw new Problem(
      "unavailable",
      `Cannot lock ${path}: the server has the maximum number of locks; try again later`,
      { "retry-after": "60" },
    );
  }
  if ("conflict" in granted) {
    throw new DavProblem(
      "locked",
      "no-conflicting-lock",
      `Cannot lock ${path}: ${granted.conflict.path} is locked; wait for the end of that lock`,
      [granted.conflict.path],
    );
  }
  return lockResponse([granted], created ? 201 : 200, { "lock-token": `<${granted.token}>` });
}

/**
 * Creates an empty world if the path has no resource (RFC 4918 §7.3).
 *
 * @returns whether a world was created
 */
async function createWorldIfMissing(context: DavContext, davRequest: DavRequest): Promise<boolean> {
  const { request, caller, target } = davRequest;
  const { path, name } = target;
  const { store } = context.server;
  if (await findResource(store, path) !== undefined) return false;
  assertWorld(target, request.method);
  await assertParentExists(store, path, "LOCK");
  assertLockTokens(context.locks, davRequest, path, "membership");
  const body = new Uint8Array();
  try {
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
    throw problem;
  }
}

function refresh(
  { locks }: DavContext,
  { request, caller, submitted, target: { path } }: DavRequest,
) {
  const named = locks.covering(path).filter(({ token }) => submitted.has(token));
  const [found] = named;
  if (found === undefined || named.length !== 1) {
    throw new DavProblem(
      "precondition-failed",
      "lock-token-matches-request-uri",
      `Cannot refresh a lock of ${path}: the If header has the tokens of ${named.length} of its ` +
        "locks; send exactly one, or send a DAV:lockinfo for a new lock",
    );
  }
  assertOwner(found, asOwner(caller), path);
  return lockResponse([locks.refresh(found, readTimeout(request.headers))], 200);
}

/**
 * Handles an UNLOCK request: removes a lock.
 *
 * @throws {Problem}
 */
export function unlock({ locks }: DavContext, { request, caller, target: { path } }: DavRequest) {
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
  locks.release(found);
  return new Response(null, { status: 204 });
}

function asOwner(caller: DavRequest["caller"]): (lock: Lock) => boolean {
  return (lock) => canUseLock(lock, caller);
}

function assertOwner(lock: Lock, isOwner: (lock: Lock) => boolean, path: string): void {
  if (isOwner(lock)) return;
  throw new Problem(
    "forbidden",
    `Cannot change the lock of ${path}: another caller holds it; delete permission is required`,
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
