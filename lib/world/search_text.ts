/**
 * Text as the search index stores it: pieces of whole lines, so that a long world is indexed and
 * searched in small steps, and lines that match. A line that is longer than a piece is cut; its
 * parts overlap by more than the longest match. Pure.
 */

import { canCutAt, findFolded, foldText, type TextRange } from "../base/fold_text.ts";
import {
  SEARCH_OVERLAP_CHARS,
  SEARCH_PIECE_CHARS,
  SEARCH_SNIPPET_CHARS,
} from "../search_limits.ts";
import type { SearchHit } from "./search.ts";

/** A part of a text. Positions count from 1. */
export interface TextPiece {
  /** Number of the first line. */
  readonly line: number;
  /** Position of the first character in its line; more than 1 if the line was cut. */
  readonly column: number;
  readonly text: string;
}

/** A line that matches, without the world. */
export type LineMatch = Omit<SearchHit, "name" | "version">;

const LINE_BREAK = /\r\n|\n|\r/g;
const LINE_BREAKS = /\r\n|\n|\r/;
const CUT = "…";
/** Characters before the match in the snippet of a long line. */
const SNIPPET_LEAD_CHARS = 80;
/** A cut moves back at most this far to a place where the text can be cut. */
const MAX_CUT_SHIFT_CHARS = 64;

/**
 * Splits a text into pieces. Equal texts have equal pieces, and so have the beginnings of two texts
 * that begin equally.
 */
export function* splitText(text: string): Generator<TextPiece, void> {
  let piece = { line: 1, start: 0 };
  let line = 1;
  let lineStart = 0;
  for (;;) {
    LINE_BREAK.lastIndex = lineStart;
    const found = LINE_BREAK.exec(text);
    const end = found === null ? text.length : found.index + found[0].length;
    if (end - piece.start > SEARCH_PIECE_CHARS && piece.start < lineStart) {
      yield { line: piece.line, column: 1, text: text.slice(piece.start, lineStart) };
      piece = { line, start: lineStart };
    }
    if (end - lineStart > SEARCH_PIECE_CHARS) {
      yield* cutLine(text.slice(lineStart, end), line);
      piece = { line: line + 1, start: end };
    }
    if (found === null) break;
    line += 1;
    lineStart = end;
  }
  if (piece.start < text.length) {
    yield { line: piece.line, column: 1, text: text.slice(piece.start) };
  }
}

/**
 * Finds the lines of a piece that contain a text.
 *
 * @param folded what to find, folded; not empty
 */
export function* findLines(
  { line, column, text }: TextPiece,
  folded: string,
): Generator<LineMatch, void> {
  const whole = foldText(text);
  if (!whole.includes(folded)) return;
  // Folding keeps line breaks and makes no new ones, so both texts have the same lines.
  const foldedLines = whole.split(LINE_BREAKS);
  for (const [at, content] of text.split(LINE_BREAKS).entries()) {
    if (foldedLines[at]?.includes(folded) !== true) continue;
    const range = findFolded(content, folded);
    if (range === undefined) continue;
    const offset = at === 0 ? column - 1 : 0;
    yield {
      line: line + at,
      column: offset + countChars(content.slice(0, range.start)) + 1,
      ...cutSnippet(content, range, offset > 0),
    };
  }
}

/**
 * Returns what the index is asked for to find a folded text of three characters or more: all of its
 * sequences of three characters, as far as they narrow the result.
 */
export function toGramQuery(folded: string): string {
  const chars = [...folded];
  const grams = new Set<string>();
  // More than some dozens of sequences narrow the result no further.
  const step = Math.max(1, Math.floor((chars.length - 2) / QUERY_GRAMS));
  for (let at = 0; at + 3 <= chars.length; at += step) {
    grams.add(chars.slice(at, at + 3).join(""));
  }
  return [...grams].map(quoteGram).join(" AND ");
}

const QUERY_GRAMS = 32;

/** Returns a sequence as a string of the query language of FTS5. */
export function quoteGram(gram: string): string {
  return `"${toIndexable(gram).replaceAll('"', '""')}"`;
}

/**
 * Returns a folded text as the index gets it. SQLite ends a text at U+0000. With the end of two line
 * breaks, each character begins a sequence of three.
 */
export function toIndexedText(folded: string): string {
  return `${toIndexable(folded)}\n\n`;
}

function toIndexable(folded: string): string {
  return folded.replaceAll("\0", "\u0001");
}

function* cutLine(line: string, number: number): Generator<TextPiece, void> {
  let column = 1;
  for (let start = 0;;) {
    const isLast = line.length - start <= SEARCH_PIECE_CHARS;
    const end = isLast ? line.length : findCut(line, start + SEARCH_PIECE_CHARS);
    yield { line: number, column, text: line.slice(start, end) };
    if (isLast) return;
    const next = findCut(line, end - SEARCH_OVERLAP_CHARS);
    column += countChars(line.slice(start, next));
    start = next;
  }
}

function findCut(text: string, wanted: number): number {
  for (let at = wanted; at > wanted - MAX_CUT_SHIFT_CHARS; at--) if (canCutAt(text, at)) return at;
  return wanted;
}

/** @param isCut whether the line has text before `content` */
function cutSnippet(
  content: string,
  range: TextRange,
  isCut: boolean,
): Pick<LineMatch, "snippet" | "match"> {
  const { start } = range;
  // A character can have any number of marks, which are a part of the match.
  const end = Math.min(range.end, start + SEARCH_OVERLAP_CHARS);
  const isShort = content.length <= SEARCH_SNIPPET_CHARS;
  const from = isShort ? 0 : findCut(content, Math.max(0, start - SNIPPET_LEAD_CHARS));
  const wanted = Math.max(from + SEARCH_SNIPPET_CHARS, end);
  const to = isShort || wanted >= content.length ? content.length : findNextCut(content, wanted);
  const before = from > 0 || isCut ? CUT : "";
  const lead = countChars(content.slice(from, start)) + before.length;
  const length = countChars(content.slice(start, end));
  return {
    snippet: `${before}${content.slice(from, to)}${to < content.length ? CUT : ""}`,
    match: { start: lead, end: lead + length },
  };
}

function findNextCut(text: string, wanted: number): number {
  for (let at = wanted; at < wanted + MAX_CUT_SHIFT_CHARS; at++) {
    if (at >= text.length || canCutAt(text, at)) return Math.min(at, text.length);
  }
  return wanted;
}

function countChars(text: string): number {
  let pairs = 0;
  for (let at = 0; at < text.length; at++) {
    if ((text.charCodeAt(at) & 0xfc00) === 0xd800) pairs += 1;
  }
  return text.length - pairs;
}
