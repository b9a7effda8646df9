/**
 * `PATCH` of a world (RFC 5789): edits a part of it. The edit is applied in the writer's transaction to
 * the version that is current then, so that the client does not have to read first and no concurrent
 * change is lost.
 */

import { assertCan } from "../auth/policy.ts";
import type { Locks } from "../dav/locks/locks.ts";
import { Problem } from "../http/problem.ts";
import type { RequestContext } from "../request/request_context.ts";
import { EDIT_FORMATS, toEditFormat } from "../world/edit_format.ts";
import { initialState } from "../world/store.ts";
import { writtenResponse } from "./world_responses.ts";
import { assertWorldTarget } from "./world_target.ts";
import { prepareWrite, type WriteContext } from "./write_world.ts";

/** Value of `Accept-Patch` (RFC 5789 §3.1). */
export const ACCEPT_PATCH = EDIT_FORMATS.join(", ");

/**
 * `PATCH /home/x`: edits the world; extension and other metadata stay.
 *
 * @throws {Problem} and {@link StoreError}; nothing is stored then
 */
export async function patchWorld(
  server: WriteContext,
  locks: Locks,
  context: RequestContext,
): Promise<Response> {
  const { request, target: { path }, caller } = context;
  assertCan(caller, "write", path);
  assertWorldTarget(context);
  const contentType = request.headers.get("content-type");
  const format = toEditFormat(contentType);
  if (format === undefined) {
    const found = contentType === null
      ? "no Content-Type was sent"
      : `the Content-Type is ${JSON.stringify(contentType.slice(0, 100))}`;
    throw new Problem(
      "unsupported-media-type",
      `Cannot edit ${path}: ${found}; send one of ${ACCEPT_PATCH}, in UTF-8`,
      { "accept-patch": ACCEPT_PATCH },
    );
  }
  const { body, ...prepared } = await prepareWrite(server, locks, context, "edit");
  const written = await server.store.patch({
    ...prepared,
    edit: { format, body },
    by: caller.by,
    state: initialState(prepared.name),
  });
  return writtenResponse(path, written);
}
