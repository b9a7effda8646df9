/**
 * Query parameters of a request target. The query is parsed only when a parameter is read, because
 * most requests have none.
 */

import { Problem } from "./problem.ts";

/**
 * Reads one query parameter. If it occurs several times, the last one counts.
 *
 * @param query the query without `?`, still encoded
 * @param name name of the parameter
 * @returns the decoded value; `""` without a value, null if the parameter is absent
 * @throws {Problem} `bad-query` if its percent escapes are malformed
 *
 * @example
 * ```ts
 * import { strictEqual } from "node:assert/strict";
 * import { readQueryValue } from "./query.ts";
 *
 * strictEqual(readQueryValue("ext=md&by=a%20b", "by"), "a b");
 * strictEqual(readQueryValue("ext=md", "by"), null);
 * ```
 */
export function readQueryValue(query: string, name: string): string | null {
  if (query === "") return null;
  let found: string | null = null;
  for (const pair of query.split("&")) {
    const equals = pair.indexOf("=");
    const key = equals < 0 ? pair : pair.slice(0, equals);
    if (key !== name) continue;
    found = decodeQuery(equals < 0 ? "" : pair.slice(equals + 1), name);
  }
  return found;
}

/**
 * Checks whether a parameter occurs, with or without a value: `?raw`.
 *
 * @example
 * ```ts
 * import { strictEqual } from "node:assert/strict";
 * import { hasQuery } from "./query.ts";
 *
 * strictEqual(hasQuery("raw&at=3", "raw"), true);
 * strictEqual(hasQuery("at=3", "raw"), false);
 * ```
 */
export function hasQuery(query: string, name: string): boolean {
  return query === name || (query !== "" && readQueryValue(query, name) !== null);
}

/**
 * Reads a parameter that is a whole number.
 *
 * @param query the query without `?`, still encoded
 * @param name name of the parameter
 * @param max largest valid value
 * @returns undefined if the parameter is absent
 * @throws {Problem} `bad-query` if it is not a whole number of at most `max`
 *
 * @example
 * ```ts
 * import { strictEqual, throws } from "node:assert/strict";
 * import { readQueryNumber } from "./query.ts";
 *
 * strictEqual(readQueryNumber("limit=20", "limit", 100), 20);
 * throws(() => readQueryNumber("limit=101", "limit", 100), { type: "bad-query" });
 * ```
 */
export function readQueryNumber(query: string, name: string, max: number): number | undefined {
  const text = readQueryValue(query, name);
  if (text === null) return undefined;
  const value = Number(text);
  if (/^\d{1,15}$/.test(text) && value <= max) return value;
  throw new Problem(
    "bad-query",
    `Cannot read ?${name}=${text.slice(0, 40)}: a whole number of at most ${max} is needed`,
  );
}

function decodeQuery(text: string, name: string): string {
  try {
    return decodeURIComponent(text.replaceAll("+", " "));
  } catch {
    throw new Problem(
      "bad-query",
      `Cannot read ?${name}: its percent escapes are malformed; send percent-encoded UTF-8`,
    );
  }
}
