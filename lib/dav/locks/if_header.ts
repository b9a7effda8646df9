/**
 * Parses and evaluates the If header (RFC 4918 §10.4): lists of conditions on lock tokens and
 * entity tags, for the resource of the request or for a named one. Pure: the caller supplies the
 * current locks and tags.
 */

import { MAX_IF_CHARS, MAX_IF_CONDITIONS } from "../../dav_limits.ts";

/** One condition. */
export interface Condition {
  readonly not: boolean;
  /** A lock token, or an entity tag with its quotes. */
  readonly kind: "token" | "etag";
  readonly value: string;
}

/** One list; it is true if all its conditions are true. */
export interface ConditionList {
  /** The URL of the resource; absent for the resource of the request. */
  readonly tag?: string;
  readonly conditions: readonly Condition[];
}

/** Why a header is not valid. */
export interface IfSyntaxFault {
  readonly fault: string;
}

// Not \s: the bytes of a URL in UTF-8 include A0 and 85, which are white space as characters.
const TOKEN =
  /[ \t]*(?:(\()|(\))|([Nn][Oo][Tt])(?=[ \t<[])|<([^<> \t]+)>|\[((?:W\/)?"[\x21\x23-\x7e\x80-\xff]*")\])[ \t]*/y;

/**
 * Parses an If header. A header must not have both tagged and untagged lists (RFC 4918 §10.4.2).
 *
 * @returns the lists in order, or a fault if the header is not valid
 */
export function parseIf(header: string): readonly ConditionList[] | IfSyntaxFault {
  if (header.length > MAX_IF_CHARS) {
    return { fault: `it is longer than ${MAX_IF_CHARS} characters` };
  }
  const lists: ConditionList[] = [];
  let tag: string | undefined;
  let open: Condition[] | undefined;
  let not = false;
  let needsList = false;
  let count = 0;
  TOKEN.lastIndex = 0;
  while (TOKEN.lastIndex < header.length) {
    const found = TOKEN.exec(header);
    if (found === null) return { fault: "it is not a sequence of lists in parentheses" };
    const [, opens, closes, negates, angled, bracketed] = found;
    if (opens !== undefined) {
      if (open !== undefined) return { fault: "a list starts inside a list" };
      open = [];
    } else if (closes !== undefined) {
      if (open === undefined || open.length === 0 || not) return { fault: "a list is empty" };
      lists.push(tag === undefined ? { conditions: open } : { tag, conditions: open });
      open = undefined;
      needsList = false;
    } else if (negates !== undefined) {
      if (open === undefined || not) return { fault: "Not is not followed by a condition" };
      not = true;
    } else if (open !== undefined) {
      if (++count > MAX_IF_CONDITIONS) {
        return { fault: `it has more than ${MAX_IF_CONDITIONS} conditions` };
      }
      open.push(
        angled === undefined
          ? { not, kind: "etag", value: bracketed ?? "" }
          : { not, kind: "token", value: angled },
      );
      not = false;
    } else {
      if (angled === undefined) return { fault: "an entity tag is outside a list" };
      if (needsList) return { fault: "a URL is not followed by a list" };
      if (tag === undefined && lists.length > 0) {
        return { fault: "it has lists with and without a URL" };
      }
      tag = angled;
      needsList = true;
    }
  }
  if (open !== undefined) return { fault: "a list is not closed" };
  if (needsList || lists.length === 0) return { fault: "it has no list" };
  return lists;
}

/**
 * The current locks and entity tags; `tag` is the URL of a list, absent for the request's resource.
 */
export interface CurrentState {
  /** Whether a lock with this token applies to the resource. */
  hasToken(tag: string | undefined, token: string): boolean;
  /** Whether this is the entity tag of the resource. */
  hasEtag(tag: string | undefined, etag: string): boolean;
}

/** Whether at least one list is true (RFC 4918 §10.4.3). */
export function evaluateIf(lists: readonly ConditionList[], state: CurrentState): boolean {
  return lists.some(({ tag, conditions }) =>
    conditions.every(({ not, kind, value }) =>
      (kind === "token" ? state.hasToken(tag, value) : state.hasEtag(tag, value)) !== not
    )
  );
}

/** Returns the lock tokens that a header submits: those without Not (RFC 4918 §7.5, §10.4.1). */
export function submittedTokens(lists: readonly ConditionList[]): ReadonlySet<string> {
  const tokens = new Set<string>();
  for (const { conditions } of lists) {
    for (const { not, kind, value } of conditions) {
      if (kind === "token" && !not) tokens.add(value);
    }
  }
  return tokens;
}
