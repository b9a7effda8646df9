/**
 * LOCK and UNLOCK (RFC 4918 §9.10, §9.11): a lock for who may write here, on what is there or, as an
 * empty world, on what shall be; its time begun again; its end.
 */

import { initialState } from "../../world/store.ts";
import { assertCan } from "../../auth/policy.ts";
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
 * Answers a LOCK.
 *
 * @throws {Problem}
 */
export async function lock(room: DavContext, asked: DavRequest): Promise<Response> {
  const { request, caller, target: { path } } = asked;
  assertCan(caller, "write", path);
  const root = await readXml(request);
  if (root === undefined) return refresh(room, asked);
  const wish = {
    path,
    ...parseLockInfo(root),
    depth: readDepth(request.headers, "infinity", ["0", "infinity"]),
    by: caller.by,
    seconds: readTimeout(request.headers),
  };
  const created = await bringAbout(room, asked);
  const granted = room.locks.grant(wish);
  if ("full" in granted) {
    throw new Problem(
      "unavailable",
      `Cannot lock ${path}: as many locks as the machine keeps are held; wait until some end`,
      { "retry-after": "60" },
    );
  }
  if ("conflict" in granted) {
    throw new DavProblem(
      "locked",
      "no-conflicting-lock",
      `Cannot lock ${path}: ${granted.conflict.path} is locked; wait until that lock ends`,
      [granted.conflict.path],
    );
  }
  return answer([granted], created ? 201 : 200, { "lock-token": `<${granted.token}>` });
}

/** An unmapped URL becomes an empty world, which the lock then keeps for its owner (§7.3). */
async function bringAbout(room: DavContext, asked: DavRequest): Promise<boolean> {
  const { request, caller, target } = asked;
  const { path, name } = target;
  const { store } = room.server;
  if (await findResource(store, path) !== undefined) return false;
  assertWorld(target, request.method);
  await assertParentExists(store, path, "LOCK");
  assertLockTokens(room.locks, asked, path, "membership");
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
    // Somebody else's write came first, so there is a world to lock.
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
      `Cannot refresh a lock of ${path}: ${named.length} of its locks stand in the If header, ` +
        "one is needed; a LOCK with a DAV:lockinfo makes one",
    );
  }
  mustBeOwn(found, asOwner(caller), path);
  return answer([locks.refresh(found, readTimeout(request.headers))], 200);
}

/**
 * Answers an UNLOCK.
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
      `Cannot unlock ${path}: no lock with this token is on it; PROPFIND's lockdiscovery tells which are`,
    );
  }
  mustBeOwn(found, asOwner(caller), path);
  locks.release(found);
  return new Response(null, { status: 204 });
}

function asOwner(caller: DavRequest["caller"]): (lock: Lock) => boolean {
  return (lock) => canUseLock(lock, caller);
}

function mustBeOwn(lock: Lock, owns: (lock: Lock) => boolean, path: string): void {
  if (owns(lock)) return;
  throw new Problem(
    "forbidden",
    `Cannot change the lock of ${path}: another caller holds it; who may delete the world may end it`,
  );
}

function answer(
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
        "cache-control": "no-store",
        "x-content-type-options": "nosniff",
      },
    },
  );
}
