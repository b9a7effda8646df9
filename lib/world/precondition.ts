/**
 * Whether a change may go ahead, given what its caller claims to have seen (RFC 9110 §13.1). Pure;
 * the writer asks inside the transaction, so nothing can come between question and change.
 */

import type { Precondition, VersionTag } from "./store.ts";

/** The current version, as far as preconditions care; `undefined` when there is none. */
export interface CurrentVersion {
  readonly version: number;
  readonly sha256: string;
  readonly updatedAt: string;
}

/**
 * Says why a precondition fails, or `undefined` when it holds.
 *
 * @param current the world's current version; its hash is read only when a tag names one
 */
export function preconditionFault(
  precondition: Precondition | undefined,
  current: CurrentVersion | undefined,
): string | undefined {
  if (precondition === undefined) return undefined;
  const { match, noneMatch, unmodifiedSince } = precondition;
  if (match !== undefined) {
    if (current === undefined) return "If-Match was sent and nothing is here";
    if (match !== "*" && !match.some((tag) => names(tag, current))) {
      return `If-Match names another version; the current one is ${current.version}`;
    }
  } else if (unmodifiedSince !== undefined && current !== undefined) {
    const modified = Math.floor(Date.parse(current.updatedAt) / 1000) * 1000;
    if (modified > unmodifiedSince) return `it was changed at ${current.updatedAt}`;
  }
  if (noneMatch !== undefined && current !== undefined) {
    if (noneMatch === "*") return `If-None-Match is * and version ${current.version} is here`;
    if (noneMatch.some((tag) => names(tag, current))) {
      return `If-None-Match names the current version ${current.version}`;
    }
  }
  return undefined;
}

function names(tag: VersionTag, current: CurrentVersion): boolean {
  return tag.version === current.version &&
    (tag.sha256 === undefined || current.sha256.startsWith(tag.sha256));
}
