/** Reads JSON objects whose fields are not known beforehand. */

/**
 * Tests whether a value is an object with fields: not null and not an array.
 *
 * @example
 * ```ts
 * import { strictEqual } from "node:assert/strict";
 * import { isRecord } from "./json_record.ts";
 *
 * strictEqual(isRecord({ a: 1 }), true);
 * strictEqual(isRecord([1]), false);
 * ```
 */
export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/**
 * Parses a JSON object.
 *
 * @returns the object; undefined if the text is not JSON, or JSON of another kind
 *
 * @example
 * ```ts
 * import { deepStrictEqual, strictEqual } from "node:assert/strict";
 * import { parseRecord } from "./json_record.ts";
 *
 * deepStrictEqual(parseRecord('{"version":3}'), { version: 3 });
 * strictEqual(parseRecord("not JSON"), undefined);
 * ```
 */
export function parseRecord(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return isRecord(value) ? value : undefined;
  } catch {
    return undefined; // the caller handles text that is not JSON
  }
}
