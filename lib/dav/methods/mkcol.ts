/**
 * MKCOL (RFC 4918 §9.3): an empty collection, which exists by a mark until something lies in it and
 * after that is gone again.
 */

import { require } from "../../auth/policy.ts";
import { readBody } from "../../http/read_body.ts";
import { Problem } from "../../http/problem.ts";
import { storeProblem } from "../../response/store_problem.ts";
import { mustHold } from "../locks/lock_guard.ts";
import { mayBeCollection, mustFit, mustHaveParent } from "./target_checks.ts";
import { find } from "../resource/resource.ts";
import type { DavRequest, Room } from "./dav_context.ts";

/**
 * Answers a MKCOL.
 *
 * @throws {Problem} `method-not-allowed` where something is, `conflict` without a parent
 */
export async function mkcol(room: Room, asked: DavRequest): Promise<Response> {
  const { request, caller, target: { path, name } } = asked;
  const { store } = room.machine;
  require(caller, "write", path);
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
  if (await find(store, path) !== undefined) {
    throw new Problem("method-not-allowed", `Cannot MKCOL ${path}: something is there already`);
  }
  mayBeCollection(path, "MKCOL");
  mustFit(path, "MKCOL");
  await mustHaveParent(store, path, "MKCOL");
  mustHold(room.locks, asked, path, "membership");
  try {
    await store.mark(name, true);
  } catch (error) {
    throw storeProblem(error, "make the collection", path);
  }
  await room.dead.remove(path);
  return new Response(null, { status: 201 });
}
