/** Whether a list of revoked capabilities revokes one. Pure. */

import { mintTimeOf, type RevokedList } from "../world/revoked_list.ts";
import { innermostPrefix, type Scope } from "./caller.ts";

/**
 * Checks whether a capability is revoked, or one from which it was narrowed: a token contains the id
 * and the names of both.
 *
 * @param list the list
 * @param scope the verified capability; without an id it counts as older than every mint time
 */
export function isRevoked({ ids, names, prefixes }: RevokedList, scope: Scope): boolean {
  if (scope.id !== undefined && ids.has(scope.id)) return true;
  if (names.size > 0 && scope.names?.some((name) => names.has(name)) === true) return true;
  return prefixes.size > 0 && isMintedBefore(prefixes, scope);
}

/** Looks at the innermost prefix and at everything above it, so the cost does not grow with the list. */
function isMintedBefore(prefixes: RevokedList["prefixes"], scope: Scope): boolean {
  const minted = scope.id === undefined ? -Infinity : mintTimeOf(scope.id);
  let path = innermostPrefix(scope);
  for (;;) {
    const before = prefixes.get(path);
    if (before !== undefined && minted < before) return true;
    if (path === "/") return false;
    path = path.slice(0, path.lastIndexOf("/")) || "/";
  }
}
