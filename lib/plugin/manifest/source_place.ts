/**
 * Describes a place in the source of a plugin: line and column, the line with a mark, and the place in
 * the author's file if the source is a bundle with a map.
 */

import { InlineSourceMap, splitSourceMap } from "../../base/source_map.ts";
import { EXCERPT_CHARS, MAX_SOURCE_MAPPINGS, MAX_SOURCE_NAME_CHARS } from "../../cell_limits.ts";

/** A place in a source. Plain data, because it may come from another thread. */
export interface SourcePlace {
  /** Line of the stored source, from 1. */
  readonly line: number;
  /** Column in UTF-16 code units, from 1. */
  readonly column: number;
  /** Place in the author's file, as `src/routes.ts:12:5`. */
  readonly original?: string;
  /** The line, without control characters, and below it a mark at the column. */
  readonly excerpt: string;
}

/** Line ends of ECMAScript. */
const LINE_END = /\r\n|[\n\r\u2028\u2029]/;

/**
 * Describes a place.
 *
 * @param text the source
 * @param line line from 1; beyond the end, the place is the end of the source
 * @param column column from 1
 * @param isMapped whether its source map is read
 */
export function describePlace(
  text: string,
  line: number,
  column: number,
  isMapped: boolean,
): SourcePlace {
  const shown = text.split(LINE_END)[line - 1] ?? "";
  const place = { line, column, excerpt: markColumn(shown, column) };
  const map = isMapped ? splitSourceMap(text).map : undefined;
  if (map === undefined) return place;
  const found = new InlineSourceMap(map, {
    maxMappings: MAX_SOURCE_MAPPINGS,
    maxNameChars: MAX_SOURCE_NAME_CHARS,
  }).find(line, column);
  return found === undefined
    ? place
    : { ...place, original: `${found.file}:${found.line}:${found.column}` };
}

/**
 * Describes the place of an offset in UTF-16 code units.
 *
 * @param isMapped whether the source map of the text is read
 */
export function describeOffset(text: string, offset: number, isMapped = true): SourcePlace {
  const lines = text.slice(0, offset).split(LINE_END);
  return describePlace(text, lines.length, (lines.at(-1) ?? "").length + 1, isMapped);
}

/** Formats a place for a message: `src/a.ts:1:2, line 803, column 17`. */
export function formatPlace({ line, column, original }: SourcePlace): string {
  return `${original === undefined ? "" : `${original}, `}line ${line}, column ${column}`;
}

/**
 * Returns a line and a mark below a column of it. Of a long line the part around the column is shown.
 *
 * @example
 * ```ts
 * import { strictEqual } from "node:assert/strict";
 * import { markColumn } from "./source_place.ts";
 *
 * strictEqual(markColumn("const x = ;", 11), "const x = ;\n          ^");
 * ```
 */
export function markColumn(line: string, column: number): string {
  const at = Math.min(Math.max(column, 1), line.length + 1) - 1;
  const start = line.length <= EXCERPT_CHARS
    ? 0
    : Math.max(0, Math.min(at - EXCERPT_CHARS / 2, line.length - EXCERPT_CHARS));
  const part = line.slice(start, start + EXCERPT_CHARS).toWellFormed().replaceAll("\t", " ")
    // Each character keeps its width, so that the mark stays below its column.
    .replace(/[\p{Cc}\p{Cf}\u2028\u2029]/gu, (found) => "?".repeat(found.length));
  const isCut = start > 0;
  return `${isCut ? "…" : ""}${part}${start + EXCERPT_CHARS < line.length ? "…" : ""}\n` +
    `${" ".repeat(at - start + (isCut ? 1 : 0))}^`;
}
