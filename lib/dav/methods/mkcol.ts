/**
 * The MKCOL method of WebDAV (RFC 4918 §9.3): creates an empty collection by marking its name in
 * the catalog, because a collection without worlds does not exist otherwise.
 */

import { assertCan } from "../../auth/policy.ts";
import { readBody } from "../../http/read_body.ts";
import { Problem } from "../../http/problem.ts";
import { assertLockTokens } from "../locks/lock_guard.ts";
import { assertCollectionAllowed, assertParentExists, assertValidPath } from "./target_checks.ts";
import { findResource } from "../resource/resource.ts";
import { StoreError } from "../../world/store.ts";
import type { DavContext, DavRequest } from "./dav_context.ts";

/**
 * Handles a MKCOL request.
 *
 * @throws {Problem} `method-not-allowed` if the resource exists, `conflict` if its parent does not
 */
export async function mkcol(context: DavContext, davRequest: DavRequest): Promise<Response> {
  const { request, caller, target: { path, name } } = davRequest;
  const { store } = context.server;
  assertCan(caller, "write", path);
  const body = await readBody(request, 1, davRequest.connection).catch((error: unknown) => {
    if (error instanceof Problem && error.status === 413) return new Uint8Array(1);
    throw error;
  });
  if (body.length > 0) {
    throw new Problem(
      "unsupported-media-type",
      `Cannot create the collection ${path}: the request has content; send MKCOL without content`,
    );
  }
  if (await findResource(store, path) !== undefined) throw createExistsProblem(path);
  assertCollectionAllowed(path, "MKCOL");
  assertValidPath(path, "MKCOL");
  await assertParentExists(store, path, "MKCOL");
  assertLockTokens(context.locks, davRequest, path, "membership");
  const isNew = await store.markCollection(name, true, { by: caller.by });
  // Clients use MKCOL as a lock: of several at the same time one succeeds, on whichever servers they are.
  if (isNew === false) throw createExistsProblem(path);
  if (isNew === undefined) {
    throw new StoreError("unknown", `Cannot tell whether this request has made ${path}`);
  }
  await context.deadProperties.remove(path);
  return new Response(null, { status: 201 });
}

function createExistsProblem(path: string): Problem {
  return new Problem("method-not-allowed", `Cannot MKCOL ${path}: it exists`);
}
