/** The check of CSV (RFC 4180). Pure. */

import type { Format } from "./format.ts";

export const CSV: Format = {
  type: "text/csv",
  contentType: "text/csv; charset=utf-8",
  rules: "CSV (RFC 4180) with one header line: commas between fields, every line with as many " +
    'fields as the header, fields that hold commas, quotes or line breaks in ", and " doubled.',
  fences: ["", "csv"],
  findFault: findCsvFault,
};

/**
 * Finds where a text departs from RFC 4180. It is stricter than most readers of CSV, so that
 * sentences of a model do not pass as a table: each line has as many fields as the header, at least
 * one line follows the header, and a single column must not look like prose.
 */
export function findCsvFault(text: string): string | undefined {
  const widths: number[] = [];
  let at = 0;
  while (at < text.length) {
    let width = 0;
    for (;;) {
      width++;
      if (text[at] === '"') {
        for (at++; text[at] !== '"' || text[++at] === '"'; at++) {
          if (at >= text.length) return "a quoted field is not closed";
        }
      } else {
        while (at < text.length && text[at] !== "," && text[at] !== "\n") {
          if (text[at++] === '"') return "an unquoted field contains a quote";
        }
      }
      if (text[at] !== ",") break;
      at++;
    }
    if (at < text.length && text[at] !== "\n") return "text follows a closing quote";
    at++;
    widths.push(width);
    if (width !== widths[0]) {
      return `line ${widths.length} has ${width} fields and the header has ${widths[0]}`;
    }
  }
  if (widths.length < 2) return "no line follows the header";
  // Sentences, lists and Markdown tables can pass as CSV with one column.
  return widths[0] === 1 && text.split("\n").some(isProse)
    ? "its single column contains sentences or Markdown"
    : undefined;
}

/**
 * Whether a line looks like a sentence or Markdown. Reads only its first and last character: models
 * repeat themselves, and a pattern over a long line could take quadratic time.
 */
function isProse(line: string): boolean {
  const trimmed = line.trim();
  return /^[|<#>*{[-]/.test(trimmed) || ".:!?".includes(trimmed.at(-1) ?? " ");
}
