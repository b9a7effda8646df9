/** Rows as CSV (RFC 4180). An empty field is NULL, and `""` is an empty text. */

import type { SqlResult } from "../../../lib/plugin/realm/sql_types.ts";

/** Formats rows with a header line. */
export function formatCsv({ columns, rows }: SqlResult): string {
  return [columns.map(csvText), ...rows.map((row) => row.map(csvValue))]
    .map((fields) => `${fields.join(",")}\r\n`).join("");
}

function csvValue(value: SqlResult["rows"][number][number]): string {
  if (value === null) return "";
  if (typeof value === "number") return String(value);
  return value instanceof Uint8Array ? `x'${value.toHex()}'` : csvText(value);
}

function csvText(text: string): string {
  return text === "" || /[",\r\n]/.test(text) || /^\s|\s$/.test(text)
    ? `"${text.replaceAll('"', '""')}"`
    : text;
}
