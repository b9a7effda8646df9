/** The children of a collection of worlds, for methods that list it. */

import { canRead } from "../../auth/policy.ts";
import { LISTING_STEP_WORLDS } from "../../limits.ts";
import type { Child } from "../../world/store.ts";
import type { DavContext, DavRequest } from "./dav_context.ts";

/**
 * Lists the children of the target that the caller can read, sorted by name. It is done in slices, so
 * that the thread is never occupied for long.
 */
export async function listChildren(
  { server: { store }, slices }: DavContext,
  { caller, target: { path, name } }: DavRequest,
): Promise<Child[]> {
  const found: Child[] = [];
  for (let after: string | undefined = ""; after !== undefined;) {
    const page: readonly Child[] = await store.list(name, { after, limit: LISTING_STEP_WORLDS });
    for (const child of page) {
      if (slices.isOver) await slices.next();
      if (canRead(caller, `${path}/${child.name}`)) found.push(child);
    }
    after = page.length < LISTING_STEP_WORLDS ? undefined : page.at(-1)?.name;
  }
  return found;
}
