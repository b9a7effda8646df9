/**
 * Which callers may learn how much of a quota is used. The sum contains the lengths of all worlds that
 * count for it, so a caller must be able to read each of them, or be the one who stored them.
 */

import { pathOfSubject, subjectOfCaller } from "../world/quota_list.ts";
import type { Caller } from "./caller.ts";
import { decideTree, isRedacted, seesSecrets } from "./policy.ts";

/**
 * Whether a caller may learn how much of a quota is used.
 *
 * @param subject what the quota limits: `prefix:/home/team`, `user:ada`
 */
export function canReadQuota(caller: Caller, subject: string): boolean {
  const path = pathOfSubject(subject);
  const isWhole = caller.scope === undefined && caller.grants === undefined &&
    caller.delegation === undefined;
  // The whole tree has worlds that only T3 reads.
  if (path === "/") return isWhole && seesSecrets(caller);
  if (path !== undefined) {
    return !isRedacted(caller, path) && decideTree(caller, "read", path).allowed;
  }
  // A capability with the name can have another prefix, so only accounts see their own sum.
  return isWhole && (seesSecrets(caller) || subjectOfCaller(caller.by) === subject);
}
