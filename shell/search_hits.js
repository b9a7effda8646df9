/** The full-text search of the server, as its pages need it. Pure. */

import { pathOf } from "./place.js";

/** Names of the documents and settings that ship with the server. */
const SYSTEM = /^(usr|boot)\//;

/** Whether a world is a part of the system, not one of its users. */
export function isSystem(name) {
  return SYSTEM.test(name);
}

/**
 * The address of a search, for a request and for the page that shows it.
 *
 * @param {string} prefix names below it are searched: `home/notes` without slashes at its ends, or ""
 * @param {string} query
 * @param {{ limit?: number, after?: string }} [page]
 */
export function searchPath(prefix, query, { limit, after } = {}) {
  const parameters = new URLSearchParams({ q: query });
  if (limit !== undefined) parameters.set("limit", String(limit));
  if (after !== undefined) parameters.set("after", after);
  return `/proc/search${pathOf(prefix)}${prefix === "" ? "" : "/"}?${parameters}`;
}

/** The address of a line of a world: its page shows the text at this line. */
export function linePath({ name, line }) {
  return `${pathOf(name)}#L${line}`;
}

/** The line that an address names, or undefined. */
export function lineOf(hash) {
  const digits = /^#L([1-9]\d{0,8})$/.exec(hash)?.[1];
  return digits === undefined ? undefined : Number(digits);
}

/**
 * The part of a line that was found, and what is before and after it.
 *
 * @param {{ snippet: string, match?: { start: number, end: number } }} hit places count code points
 * @returns {[before: string, found: string, after: string]}
 */
export function snippetParts({ snippet, match }) {
  const signs = Array.from(snippet);
  const { start, end } = match ?? { start: signs.length, end: signs.length };
  return [
    signs.slice(0, start).join("").trimStart(),
    signs.slice(start, end).join(""),
    signs.slice(end).join("").trimEnd(),
  ];
}

/** What the server can search for: one line of 1 to 256 characters; otherwise undefined. */
export function queryOf(typed) {
  const query = typed.trim();
  const { length } = Array.from(query);
  return length > 0 && length <= 256 ? query : undefined;
}
