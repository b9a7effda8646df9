/**
 * Query parameters of a request target. The query arrives still encoded, so that the common case of no
 * query costs nothing.
 */

import { Problem } from "./problem.ts";

/**
 * One query parameter, or null. The last one wins when it is sent twice.
 *
 * @throws {Problem} `bad-query` when its escapes are broken
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
 * Whether a parameter is there, with or without a value: `?raw`.
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
 * A parameter that is a whole number, or undefined.
 *
 * @throws {Problem} `bad-query`
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
export function readQueryNumber(query: string, name: string, most: number): number | undefined {
  const text = readQueryValue(query, name);
  if (text === null) return undefined;
  const value = Number(text);
  if (/^\d{1,15}$/.test(text) && value <= most) return value;
  throw new Problem(
    "bad-query",
    `Cannot read ?${name}=${text.slice(0, 40)}: a whole number of at most ${most} is needed`,
  );
}

function decodeQuery(text: string, name: string): string {
  try {
    return decodeURIComponent(text.replaceAll("+", " "));
  } catch {
    throw new Problem(
      "bad-query",
      `Cannot read ?${name}: its percent escapes are broken; send UTF-8, percent-encoded`,
    );
  }
}
