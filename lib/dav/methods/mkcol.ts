/**
 * MKCOL (RFC 4918 §9.3): an empty collection, which exists by a mark until something lies in it and
 * after that is gone again.
 */

import { assertCan } from "../../auth/policy.ts";
import { readBody } from "../../http/read_body.ts";
import { Problem } from "../../http/problem.ts";
import { assertLockTokens } from "../locks/lock_guard.ts";
import { assertCollectionAllowed, assertParentExists, assertValidPath } from "./target_checks.ts";
import { findResource } from "../resource/resource.ts";
import type { DavContext, DavRequest } from "./dav_context.ts";

/**
 * Answers a MKCOL.
 *
 * @throws {Problem} `method-not-allowed` where something is, `conflict` without a parent
 */
export async function mkcol(room: DavContext, asked: DavRequest): Promise<Response> {
  const { request, caller, target: { path, name } } = asked;
  const { store } = room.server;
  assertCan(caller, "write", path);
  const body = await readBody(request, 1).catch((error: unknown) => {
    if (error instanceof Problem && error.status === 413) return new Uint8Array(1);
    throw error;
  });
  if (body.length > 0) {
    throw new Problem(
      "unsupported-media-type",
      `Cannot make the collection ${path}: content was sent, of which MKCOL takes none`,
    );
  }
  if (await findResource(store, path) !== undefined) {
    throw new Problem("method-not-allowed", `Cannot MKCOL ${path}: something is there already`);
  }
  assertCollectionAllowed(path, "MKCOL");
  assertValidPath(path, "MKCOL");
  await assertParentExists(store, path, "MKCOL");
  assertLockTokens(room.locks, asked, path, "membership");
  await store.markCollection(name, true);
  await room.deadProperties.remove(path);
  return new Response(null, { status: 201 });
}
