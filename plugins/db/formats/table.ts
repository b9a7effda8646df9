/** Rows as a plain table for a terminal: aligned columns, one line per row. */

import type { SqlResult } from "../../../lib/plugin/realm/sql_types.ts";

/** Longest text of a cell in characters. */
const MAX_CELL_LENGTH = 200;
/** Characters that take two columns of a terminal. */
const WIDE_CHARACTER =
  /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{1f300}-\u{1faff}\u{20000}-\u{3fffd}]/u;

/** Formats rows under the names of their columns; columns of numbers are aligned to the right. */
export function formatTable({ columns, rows, truncated }: SqlResult): string {
  const cells = [columns, ...rows].map((row) => row.map(cellText));
  const widths = columns.map((_, column) => {
    let widest = 1;
    for (const row of cells) widest = Math.max(widest, widthOf(row[column] ?? ""));
    return widest;
  });
  const isNumeric = columns.map((_, column) =>
    rows.length > 0 && rows.every((row) => row[column] === null || typeof row[column] === "number")
  );
  const lines = cells.map((row) =>
    row.map((text, column) => {
      const space = " ".repeat((widths[column] ?? 0) - widthOf(text));
      return isNumeric[column] ? space + text : text + space;
    }).join("  ").trimEnd()
  );
  lines.splice(1, 0, widths.map((width) => "-".repeat(width)).join("  "));
  if (truncated) lines.push(`(the first ${rows.length} rows; there are more)`);
  return `${lines.join("\n")}\n`;
}

function cellText(value: SqlResult["rows"][number][number]): string {
  if (value === null) return "NULL";
  if (value instanceof Uint8Array) {
    return shorten(`x'${value.subarray(0, MAX_CELL_LENGTH).toHex()}'`);
  }
  // Control characters control a terminal, and format characters change the direction of text.
  return shorten(String(value)).replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, (char) => {
    if (char === "\n") return "\\n";
    if (char === "\t") return "\\t";
    if (char === "\r") return "\\r";
    return `\\u{${char.codePointAt(0)?.toString(16)}}`;
  });
}

function shorten(text: string): string {
  if (text.length <= MAX_CELL_LENGTH) return text;
  const start = [...text.slice(0, MAX_CELL_LENGTH)].slice(0, MAX_CELL_LENGTH - 1);
  return `${start.join("")}…`;
}

/** Columns that a text takes in a terminal, approximately. */
function widthOf(text: string): number {
  let width = 0;
  for (const char of text) {
    if (/\p{Mn}/u.test(char)) continue;
    width += WIDE_CHARACTER.test(char) ? 2 : 1;
  }
  return width;
}
