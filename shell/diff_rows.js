/**
 * Turns a unified diff into the rows of a table, in which similar removed and added lines are paired.
 * Pure.
 *
 * @typedef {{ number: number, text: string, isOpen?: boolean }} Line `isOpen`: no line end follows it
 * @typedef {{ kind: "same" | "change", before?: Line, after?: Line, isPair?: boolean }} LineRow `isPair`:
 * the lines are similar, so that {@link markWords} can mark what differs
 * @typedef {{ kind: "gap", before: number, after: number, count: number }} GapRow unchanged lines that the
 * diff leaves out: their first numbers, and how many; `Infinity` up to the end of the text
 * @typedef {LineRow | GapRow} Row
 */

import { bestPairs, MIN_SIMILARITY, similarity } from "./word_diff.js";

const HUNK = /^@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@/;
/** Lines that `diff -u` shows around a change; fewer at an end of the text. */
const CONTEXT = 3;
/** Pairs of lines of a diff that are compared to find the most similar ones; about 0.2 s. */
const MAX_PAIRS = 40_000;

/**
 * @param {string} diff of one text, as `GET /home/x?diff=1..2` answers it
 * @returns {Row[]}
 */
export function diffRows(diff) {
  const lines = diff.split("\n");
  const rows = [];
  const budget = { pairs: MAX_PAIRS };
  let before = 1;
  let after = 1;
  let at = 0;
  let context = 0;
  while (at < lines.length) {
    const head = HUNK.exec(lines[at]);
    at += 1;
    if (head === null) continue;
    // An empty side has the number of the line before it.
    const start = Number(head[1]) + (head[2] === "0" ? 1 : 0);
    if (start > before) rows.push({ kind: "gap", before, after, count: start - before });
    after += start - before;
    before = start;
    let [oldLeft, newLeft] = [Number(head[2] ?? 1), Number(head[4] ?? 1)];
    let removed = [];
    let added = [];
    const flush = () => {
      rows.push(...pairLines(removed, added, budget));
      [removed, added] = [[], []];
    };
    context = 0;
    let last;
    while (oldLeft > 0 || newLeft > 0 || lines[at]?.startsWith("\\")) {
      const line = lines[at] ?? "";
      at += 1;
      const text = line.slice(1);
      if (line.startsWith("\\")) {
        for (const one of last ?? []) one.isOpen = true;
      } else if (line.startsWith("-")) {
        last = [{ number: before++, text }];
        removed.push(last[0]);
        oldLeft -= 1;
        context = 0;
      } else if (line.startsWith("+")) {
        last = [{ number: after++, text }];
        added.push(last[0]);
        newLeft -= 1;
        context = 0;
      } else {
        flush();
        last = [{ number: before++, text }, { number: after++, text }];
        rows.push({ kind: "same", before: last[0], after: last[1] });
        oldLeft -= 1;
        newLeft -= 1;
        context += 1;
      }
    }
    flush();
  }
  if (context >= CONTEXT) rows.push({ kind: "gap", before, after, count: Infinity });
  return rows;
}

/** How many lines were removed and added. */
export function countChanges(rows) {
  const changes = rows.filter(({ kind }) => kind === "change");
  return {
    removed: changes.filter(({ before }) => before !== undefined).length,
    added: changes.filter(({ after }) => after !== undefined).length,
  };
}

/** Pairs the lines of one changed part, in order, so that similar lines are in one row. */
function pairLines(removed, added, budget) {
  const rows = [];
  let [from, to] = [0, 0];
  const end = [removed.length, added.length];
  for (const [old, young] of [...choosePairs(removed, added, budget), end]) {
    while (from < old || to < young) {
      rows.push({
        kind: "change",
        before: from < old ? removed[from++] : undefined,
        after: to < young ? added[to++] : undefined,
      });
    }
    if (old === end[0] || young === end[1]) continue;
    rows.push({ kind: "change", before: removed[old], after: added[young], isPair: true });
    [from, to] = [old + 1, young + 1];
  }
  return rows;
}

/**
 * The pairs of indexes, increasing in both, with the highest sum of similarities. Of long parts the lines
 * are paired by their place.
 */
function choosePairs(removed, added, budget) {
  const [rows, columns] = [removed.length, added.length];
  budget.pairs -= rows * columns;
  if (budget.pairs < 0) {
    budget.pairs += rows * columns;
    return Array.from({ length: Math.min(rows, columns) }, (_, at) => [at, at]);
  }
  const scores = removed.map((old) => added.map((young) => similarity(old.text, young.text)));
  return bestPairs(
    rows,
    columns,
    (row, column) => scores[row][column] < MIN_SIMILARITY ? -1 : scores[row][column],
  );
}
