/** Decides whether a world can keep its chain and its earlier versions under another name. Pure. */

import { ANONYMOUS } from "./authenticate.ts";
import { canRead, isRedacted } from "./policy.ts";

/**
 * Whether a world can be renamed with its earlier versions and its chain. The callers that can read
 * it must be the same, and it must not be a plugin source, because an approval is valid for one
 * name.
 *
 * @param from canonical absolute path of the world
 * @param to its path afterwards
 */
export function canCarryChain(from: string, to: string): boolean {
  const plugin = [from, to].some((path) => path.startsWith("/lib/"));
  return !plugin && readersOf(from) === readersOf(to);
}

/** Returns which callers can read a path: all, T3 only, or all but with redacted bytes. */
function readersOf(path: string): string {
  if (isRedacted(ANONYMOUS, path)) return "redacted";
  return canRead(ANONYMOUS, path) ? "all" : "T3";
}
