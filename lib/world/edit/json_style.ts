/**
 * The style of a JSON text: indentation, line breaks and spaces; and values written in that style.
 * Numbers and strings keep their text, so that no digit of a long number is lost.
 */

import type { EditBudget } from "./edit_fault.ts";
import type { JsonSource } from "./json_source.ts";

/** How a JSON text is written. */
export interface JsonStyle {
  /** Indentation of one level; undefined if the text is on one line. */
  readonly unit: string | undefined;
  readonly eol: "\n" | "\r\n";
  /** Space after a colon or comma on one line: one space or none. */
  readonly space: "" | " ";
}

/** Longest indentation of one level that is detected. */
const MAX_UNIT_CHARS = 16;
const DEFAULT_UNIT = "  ";

/** Detects the style of a text. */
export function detectStyle(source: JsonSource): JsonStyle {
  const { text } = source;
  const first = source.next(0) > 1 ? source.itemStart(1) : -1;
  const gap = first < 0 ? text.slice(source.start(0) + 1, source.end(0)) : gapBefore(text, first);
  const eol = gap.includes("\r\n") ? "\r\n" : "\n";
  const indent = indentOf(gap);
  const unit = indent === undefined
    ? undefined
    : first < 0 || indent === "" || indent.length > MAX_UNIT_CHARS
    ? DEFAULT_UNIT
    : indent;
  return { unit, eol, space: hasSpaces(source) ? " " : "" };
}

/** Whether a space follows the first colon, or the first comma of a text without names. */
function hasSpaces(source: JsonSource): boolean {
  const { text } = source;
  // The first value with a name or a value before it is among the first few of most texts.
  for (let id = 1; id < source.next(0); id++) {
    if (source.itemStart(id) !== source.start(id)) {
      return source.start(id) > source.keyEnd(id) + 1;
    }
    if (id > 1 && source.next(id - 1) === id && text[source.start(id) - 1] === " ") return true;
    if (id > 1000) break;
  }
  return source.next(0) === 1 && text.includes("\n");
}

/** Returns the white space before an offset. */
export function gapBefore(text: string, end: number): string {
  let start = end;
  while (start > 0 && isSpace(text.charCodeAt(start - 1))) start--;
  return text.slice(start, end);
}

/** Returns the white space from an offset on. */
export function gapAfter(text: string, start: number): string {
  let end = start;
  while (end < text.length && isSpace(text.charCodeAt(end))) end++;
  return text.slice(start, end);
}

/** Returns the white space after the last line break; undefined without a line break. */
export function indentOf(gap: string): string | undefined {
  const at = gap.lastIndexOf("\n");
  return at < 0 ? undefined : gap.slice(at + 1);
}

function isSpace(code: number): boolean {
  return code === 0x20 || code === 0x0a || code === 0x0d || code === 0x09;
}

/** How a value is written. */
export interface WriteValueOptions {
  readonly style: JsonStyle;
  /** Indentation of the line on which the value begins; undefined writes it on one line. */
  readonly base: string | undefined;
  /** Leaves out members that are null, as RFC 7396 requires; elements of arrays stay. */
  readonly dropNulls?: boolean;
  /** Counts the indentation, which can be much longer than the value. */
  readonly budget: EditBudget;
}

/**
 * Writes a value of a text in another style.
 *
 * @param id number of the value; its depth must be limited, because this recurses
 */
export function writeValue(source: JsonSource, id: number, options: WriteValueOptions): string {
  const pieces: string[] = [];
  writeInto(pieces, source, id, options, options.dropNulls === true);
  return pieces.join("");
}

function writeInto(
  pieces: string[],
  source: JsonSource,
  id: number,
  { style, base, budget }: WriteValueOptions,
  dropNulls: boolean,
): void {
  const kind = source.kind(id);
  if (kind !== "object" && kind !== "array") return void pieces.push(source.textOf(id));
  const isObject = kind === "object";
  const inner = base === undefined ? undefined : base + (style.unit ?? DEFAULT_UNIT);
  let count = 0;
  budget.spend(base?.length ?? 0);
  pieces.push(isObject ? "{" : "[");
  for (const child of dropNulls && isObject ? keptMembers(source, id) : childrenOf(source, id)) {
    if (count++ > 0) pieces.push(inner === undefined ? `,${style.space}` : ",");
    if (inner !== undefined) {
      budget.spend(inner.length);
      pieces.push(style.eol, inner);
    }
    if (isObject) {
      const key = source.text.slice(source.itemStart(child), source.keyEnd(child));
      pieces.push(key, inner === undefined ? `:${style.space}` : ": ");
    }
    writeInto(pieces, source, child, { style, base: inner, budget }, dropNulls && isObject);
  }
  if (count > 0 && base !== undefined) pieces.push(style.eol, base);
  pieces.push(isObject ? "}" : "]");
}

/** The items of an array or object, in the order of the text. */
export function* childrenOf(source: JsonSource, id: number): Iterable<number> {
  for (let child = id + 1; child < source.next(id); child = source.next(child)) yield child;
}

/** The last member of each name of an object. */
export function lastMembers(source: JsonSource, id: number): Map<string, number> {
  const members = new Map<string, number>();
  for (const child of childrenOf(source, id)) members.set(source.key(child), child);
  return members;
}

/** Whether a value is null. */
export function isNull(source: JsonSource, id: number): boolean {
  return source.kind(id) === "literal" && source.textOf(id) === "null";
}

function keptMembers(source: JsonSource, id: number): number[] {
  return [...lastMembers(source, id).values()].filter((child) => !isNull(source, child));
}

/**
 * Moves a text to another indentation. Its first line stays; strings have no line breaks.
 *
 * @param budget counts the new indentation, which can be much longer than the text
 */
export function reindent(text: string, from: string, to: string, budget: EditBudget): string {
  if (from === to || !text.includes("\n")) return text;
  return text.split("\n").map((line, i) => {
    if (i === 0 || !line.startsWith(from)) return line;
    budget.spend(to.length);
    return to + line.slice(from.length);
  }).join("\n");
}
