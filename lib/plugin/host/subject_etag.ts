/**
 * What the world that a request is about is now, for its caller: told to the plugin with the request,
 * so that one which only wants to know whether something changed need not ask. It is exactly what
 * `HEAD` of the world's bytes would tell this caller, and where that would have to wait or be refused
 * nothing is told.
 */

import type { Caller } from "../../auth/caller.ts";
import { may } from "../../auth/policy.ts";
import { seenBy } from "../../auth/redact.ts";
import { represent } from "../../response/representation.ts";
import type { Store } from "../../world/store.ts";

/**
 * The entity tag of a world's bytes as the caller is shown them.
 *
 * @param path canonical path of what may be a world
 * @returns `undefined` when it is none, may not be read, or is not in memory
 */
export function subjectTag(
  store: Pick<Store, "peek">,
  caller: Caller,
  path: string,
): string | undefined {
  if (!may(caller, "read", path).allowed) return undefined;
  const world = store.peek(path.slice(1));
  return world === undefined ? undefined : represent(seenBy(caller, world), "raw").etag;
}
