/**
 * Applies a unified diff to a text. Each hunk must match exactly, ends of lines included. Its place is
 * the stated line, moved as far as the hunk before it; else the only other place that matches, because a
 * concurrent change can have moved the lines. A hunk that matches several places is not applied.
 */

import { parsePatch, type StructuredPatchHunk } from "../../deps/diff.ts";
import { MAX_DIFF_LINES, MAX_EDITS } from "../../limits.ts";
import { type EditBudget, EditFault, quoteText } from "./edit_fault.ts";

/** One hunk: the lines that it needs, and those that take their place, with their ends. */
interface Hunk {
  /** Stated line of the first old line, from 0; of a hunk without old lines, the line after which it adds. */
  readonly start: number;
  readonly before: readonly string[];
  readonly after: readonly string[];
  /** Lines that the hunk states as old lines and does not change, at its end. */
  readonly header: string;
}

/**
 * Applies a diff.
 *
 * @param text the text; a byte order mark belongs to its first line
 * @param diff the diff of one text
 * @throws {EditFault} `malformed`, `conflict` with the number of the hunk from 1, `too-large`
 */
export function applyUnifiedDiff(text: string, diff: string, budget: EditBudget): string {
  budget.spend(text.length + diff.length);
  assertLines(diff);
  const hunks = readHunks(diff, endOf(text));
  const lines = toEndedLines(text);
  const places = new LinePlaces(lines, budget);
  const result: string[] = [];
  let done = 0;
  let moved = 0;
  for (const [i, hunk] of hunks.entries()) {
    const at = places.find(hunk, hunk.start + moved, done);
    if (typeof at === "string") {
      throw new EditFault("conflict", `hunk ${i + 1} of ${hunks.length} (${hunk.header}): ${at}`);
    }
    for (let line = done; line < at; line++) result.push(lines[line] ?? "");
    for (const line of hunk.after) result.push(line);
    done = at + hunk.before.length;
    moved = at - hunk.start;
  }
  for (let line = done; line < lines.length; line++) result.push(lines[line] ?? "");
  const unended = result.findIndex((line, i) => i < result.length - 1 && !line.endsWith("\n"));
  if (unended >= 0) {
    throw new EditFault("conflict", `line ${unended + 1} of the result has no line end`);
  }
  return result.join("");
}

/** The package that parses a diff takes about a microsecond for each line. */
function assertLines(diff: string): void {
  let lines = 1;
  for (let at = diff.indexOf("\n"); at >= 0; at = diff.indexOf("\n", at + 1)) lines++;
  if (lines <= MAX_DIFF_LINES) return;
  throw new EditFault(
    "too-large",
    `the diff has ${lines} lines; at most ${MAX_DIFF_LINES} are allowed`,
  );
}

/** Splits a text into lines with their ends; the last one may have none. */
export function toEndedLines(text: string): string[] {
  const lines = text.split("\n");
  const last = lines.pop() ?? "";
  const ended = lines.map((line) => `${line}\n`);
  if (last !== "") ended.push(last);
  return ended;
}

/** Finds the places of hunks, with one number for all equal lines. */
class LinePlaces {
  readonly #lines: readonly string[];
  readonly #budget: EditBudget;
  readonly #numbers = new Map<string, number>();
  readonly #text: Int32Array;

  constructor(lines: readonly string[], budget: EditBudget) {
    this.#lines = lines;
    this.#budget = budget;
    this.#text = Int32Array.from(lines, (line) => this.#numberOf(line));
  }

  /**
   * Finds the place of a hunk.
   *
   * @param expected where it should be
   * @param done lines that earlier hunks have passed
   * @returns the index of its first old line, or why there is none
   */
  find(hunk: Hunk, expected: number, done: number): number | string {
    const part = Int32Array.from(hunk.before, (line) => this.#numberOf(line));
    this.#budget.spend(part.length + 1);
    if (part.length === 0) {
      return expected >= done && expected <= this.#text.length
        ? expected
        : `it adds lines after line ${expected}, and the world has ${this.#text.length} lines`;
    }
    if (expected >= done && this.#matches(part, expected)) return expected;
    this.#budget.spend(2 * (this.#text.length + part.length));
    const found = findNumbers(this.#text.subarray(done), part);
    const [only] = found;
    if (only === undefined) return this.#mismatch(hunk, part, expected, done);
    if (found.length === 1) return only + done;
    return `it does not match at line ${expected + 1}, and matches at several other lines, ${
      found.slice(0, 2).map((at) => at + done + 1).join(" and ")
    } among them; send more lines of context`;
  }

  #matches(part: Int32Array, at: number): boolean {
    return at + part.length <= this.#text.length &&
      part.every((number, i) => number === this.#text[at + i]);
  }

  /** Describes the first difference at the expected place. */
  #mismatch(hunk: Hunk, part: Int32Array, expected: number, done: number): string {
    if (expected < done) return "its lines are before those of the hunk before it";
    const at = part.findIndex((number, i) => number !== this.#text[expected + i]);
    const [wanted = "", found] = [hunk.before[at], this.#lines[expected + at]];
    const state = found === undefined
      ? `the world has ${this.#lines.length} lines`
      : `line ${expected + at + 1} is ${quoteText(found)}`;
    return `it matches nowhere: it needs ${quoteText(wanted)}, and ${state}`;
  }

  #numberOf(line: string): number {
    let number = this.#numbers.get(line);
    if (number === undefined) {
      number = this.#numbers.size;
      this.#numbers.set(line, number);
    }
    return number;
  }
}

/** Finds at most two occurrences of a part, in linear time (Knuth, Morris and Pratt). */
function findNumbers(text: Int32Array, part: Int32Array): number[] {
  const fallback = new Int32Array(part.length);
  for (let i = 1, matched = 0; i < part.length; i++) {
    while (matched > 0 && part[i] !== part[matched]) matched = fallback[matched - 1] ?? 0;
    if (part[i] === part[matched]) matched++;
    fallback[i] = matched;
  }
  const found: number[] = [];
  for (let i = 0, matched = 0; i < text.length && found.length < 2; i++) {
    while (matched > 0 && text[i] !== part[matched]) matched = fallback[matched - 1] ?? 0;
    if (text[i] === part[matched]) matched++;
    if (matched < part.length) continue;
    found.push(i - part.length + 1);
    matched = fallback[matched - 1] ?? 0;
  }
  return found;
}

/**
 * Reads the hunks of a diff.
 *
 * @param end the line end of the world: if all its lines end in it, it replaces that of the diff
 */
function readHunks(diff: string, end: "\n" | "\r\n" | undefined): Hunk[] {
  const parsed = parse(diff).filter(({ hunks }) => hunks.length > 0);
  const [file] = parsed;
  if (file === undefined) {
    throw malformed("the body has no hunk; send a unified diff with lines such as @@ -1,3 +1,4 @@");
  }
  if (parsed.length > 1) {
    throw malformed(`the diff changes ${parsed.length} files; send that of one`);
  }
  if (file.hunks.length > MAX_EDITS) {
    throw new EditFault(
      "too-large",
      `the diff has ${file.hunks.length} hunks; at most ${MAX_EDITS} are allowed`,
    );
  }
  const convert = converterOf(file.hunks, end);
  const hunks = file.hunks.map((hunk) => toHunk(hunk, convert));
  let last = 0;
  for (const { start, before, header } of hunks) {
    if (start < last) throw malformed(`the hunk ${header} overlaps the one before it`);
    last = start + before.length;
  }
  return hunks;
}

function parse(diff: string): ReturnType<typeof parsePatch> {
  try {
    return parsePatch(diff);
  } catch (error) {
    // The package describes what it found; its messages have no other data than lines of the diff.
    const found = error instanceof Error ? error.message : String(error);
    throw malformed(`it is not a unified diff: ${quoteText(found)}`);
  }
}

function toHunk(
  { oldStart, oldLines, newStart, newLines, lines }: StructuredPatchHunk,
  convert: LineConverter,
): Hunk {
  const before: string[] = [];
  const after: string[] = [];
  for (const [i, line] of lines.entries()) {
    const operation = line === "" ? " " : line[0];
    if (operation === "\\") continue;
    const sent = line.slice(1);
    const mark = lines[i + 1]?.startsWith("\\") === true ? lines[i + 1] : undefined;
    const text = mark === undefined
      ? `${convert(sent, true)}\n`
      // The mark shows whether the CR belongs to the diff or to the text.
      : mark.endsWith("\r")
      ? sent.replace(/\r$/, "")
      : convert(sent, false);
    if (operation !== "+") before.push(text);
    if (operation !== "-") after.push(text);
  }
  const header = `@@ -${oldStart},${oldLines} +${newStart},${newLines} @@`;
  if (!Number.isSafeInteger(oldStart) || oldStart < 0 || lines.length === 0) {
    throw malformed(`the hunk ${header} is not valid`);
  }
  // The package adds 1 to the start of a hunk without old lines, so that both are the first line.
  return { start: Math.max(0, oldStart - 1), before, after, header };
}

/** Gives a line of a diff the line end of the world; the last line of a text can be without one. */
type LineConverter = (line: string, isEnded: boolean) => string;

/** Returns the function that gives lines of a diff the line end of the world, if both have one end. */
function converterOf(
  hunks: readonly StructuredPatchHunk[],
  end: "\n" | "\r\n" | undefined,
): LineConverter {
  const lines = hunks.flatMap((hunk) => hunk.lines.filter((line) => !line.startsWith("\\")));
  const isCrlf = lines.every((line) => line.endsWith("\r"));
  if (end === "\r\n" && lines.every((line) => !line.endsWith("\r"))) {
    return (line, isEnded) => isEnded ? `${line}\r` : line;
  }
  if (end === "\n" && isCrlf) return (line) => line.slice(0, -1);
  return (line) => line;
}

/** The end of all lines of a text; undefined if they differ or there is none. */
function endOf(text: string): "\n" | "\r\n" | undefined {
  const hasBare = /(?<!\r)\n/.test(text);
  const hasCrlf = text.includes("\r\n");
  if (hasBare === hasCrlf) return undefined;
  return hasCrlf ? "\r\n" : "\n";
}

function malformed(message: string): EditFault {
  return new EditFault("malformed", message);
}
