/** Rows as JSON: one array, or one object per line (NDJSON). */

import type { SqlResult } from "../../../lib/plugin/realm/sql_types.ts";

/** Formats rows as a JSON array, one object per line. */
export function formatJson(result: SqlResult): string {
  const rows = rowObjects(result);
  return rows.length === 0 ? "[]\n" : `[\n${rows.join(",\n")}\n]\n`;
}

/** Formats rows as NDJSON. */
export function formatNdjson(result: SqlResult): string {
  return rowObjects(result).map((row) => `${row}\n`).join("");
}

/**
 * Rows as texts of JSON objects. They are not made of JavaScript objects, which would put a column
 * called `2` before one called `a`, and would set the prototype for `__proto__`.
 */
function rowObjects({ columns, rows }: SqlResult): string[] {
  const keys = distinctNames(columns).map((name) => JSON.stringify(name));
  return rows.map((row) =>
    `{${row.map((value, at) => `${keys[at]}:${jsonValue(value)}`).join(",")}}`
  );
}

/** The second column called `a` gets the name `a_2`, unless another column has that name. */
function distinctNames(columns: readonly string[]): string[] {
  const taken = new Set(columns);
  const seen = new Set<string>();
  return columns.map((name) => {
    let key = name;
    for (let count = 2; seen.has(key); count++) {
      const next = `${name}_${count}`;
      if (!taken.has(next) && !seen.has(next)) key = next;
    }
    seen.add(key);
    return key;
  });
}

function jsonValue(value: SqlResult["rows"][number][number]): string {
  if (value instanceof Uint8Array) return `{"base64":"${value.toBase64()}"}`;
  if (typeof value === "number" && !Number.isFinite(value)) return `"${value}"`;
  return JSON.stringify(value);
}
