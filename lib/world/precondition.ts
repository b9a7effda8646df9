/**
 * Evaluates the preconditions of a change (RFC 9110 §13.1) against the current version of its
 * world. Pure. The writer calls it inside the transaction of the change, so that no other change
 * can happen between the check and the change.
 */

import type { Precondition, VersionTag } from "./store.ts";

/** What preconditions compare of the current version. */
export interface CurrentVersion {
  readonly version: number;
  readonly sha256: string;
  readonly updatedAt: string;
}

/**
 * Evaluates a precondition.
 *
 * @param precondition absent if the request has none; then every change is allowed
 * @param current the world's current version, or `undefined` if the world does not exist; `sha256`
 * is read only if a tag has a hash
 * @returns why the precondition fails, or `undefined` if it holds
 */
export function preconditionFault(
  precondition: Precondition | undefined,
  current: CurrentVersion | undefined,
): string | undefined {
  if (precondition === undefined) return undefined;
  const { match, noneMatch, unmodifiedSince } = precondition;
  if (match !== undefined) {
    if (current === undefined) return "If-Match was sent, but the world does not exist";
    if (match !== "*" && !match.some((tag) => matches(tag, current))) {
      return `If-Match has another version; the current one is ${current.version}`;
    }
  } else if (unmodifiedSince !== undefined && current !== undefined) {
    const modified = Math.floor(Date.parse(current.updatedAt) / 1000) * 1000;
    if (modified > unmodifiedSince) return `the world was changed at ${current.updatedAt}`;
  }
  if (noneMatch !== undefined && current !== undefined) {
    if (noneMatch === "*") return `If-None-Match is *, but version ${current.version} exists`;
    if (noneMatch.some((tag) => matches(tag, current))) {
      return `If-None-Match has the current version ${current.version}`;
    }
  }
  return undefined;
}

function matches(tag: VersionTag, current: CurrentVersion): boolean {
  return tag.version === current.version &&
    (tag.sha256 === undefined || current.sha256.startsWith(tag.sha256));
}
