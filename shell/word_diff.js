/** Marks the words that differ in two versions of a line. Pure. */

/** Words, spaces, and other single characters. */
const TOKENS = /[\p{L}\p{N}_]+|\s+|./gsu;
/** Of longer lines, such as data in one line, the part between their common beginning and end is marked. */
const MAX_CHARS = 20_000;
/** With more words, too. */
const MAX_TOKENS = 400;
/** Lines that have less in common are different lines, not versions of one. */
export const MIN_SIMILARITY = 0.3;

/** @typedef {{ text: string, isMarked: boolean }} Span */

/**
 * @param {string} before
 * @param {string} after
 * @returns {{ before: Span[], after: Span[] }}
 */
export function markWords(before, after) {
  if (Math.max(before.length, after.length) > MAX_CHARS) return markMiddle(before, after);
  const [old, young] = [tokensOf(before), tokensOf(after)];
  const shorter = Math.min(old.length, young.length);
  let start = 0;
  while (start < shorter && old[start] === young[start]) start++;
  let same = 0;
  while (same < shorter - start && old.at(-1 - same) === young.at(-1 - same)) same++;
  const oldMarks = new Set();
  const youngMarks = new Set();
  for (let at = start; at < old.length - same; at++) oldMarks.add(at);
  for (let at = start; at < young.length - same; at++) youngMarks.add(at);
  if (oldMarks.size <= MAX_TOKENS && youngMarks.size <= MAX_TOKENS) {
    const pairs = commonTokens(
      old.slice(start, old.length - same),
      young.slice(start, young.length - same),
    );
    for (const [left, right] of pairs) {
      oldMarks.delete(start + left);
      youngMarks.delete(start + right);
    }
  }
  return { before: toSpans(old, oldMarks), after: toSpans(young, youngMarks) };
}

/**
 * How much two lines have in common.
 *
 * @returns {number} 0 to 1: the share of their words that both contain
 */
export function similarity(before, after) {
  if (before === after) return 1;
  const [old, young] = [wordsOf(before), wordsOf(after)];
  if (old.length === 0 || young.length === 0) return 0;
  const counts = new Map();
  for (const word of old) counts.set(word, (counts.get(word) ?? 0) + 1);
  let common = 0;
  for (const word of young) {
    const left = counts.get(word) ?? 0;
    if (left > 0) common += 1;
    counts.set(word, left - 1);
  }
  return 2 * common / (old.length + young.length);
}

function tokensOf(text) {
  return text.match(TOKENS) ?? [];
}

/** What is between the common beginning and end. */
function markMiddle(before, after) {
  const shorter = Math.min(before.length, after.length);
  let start = 0;
  while (start < shorter && before[start] === after[start]) start++;
  let same = 0;
  while (same < shorter - start && before.at(-1 - same) === after.at(-1 - same)) same++;
  const spans = (text) =>
    [
      { text: text.slice(0, start), isMarked: false },
      { text: text.slice(start, text.length - same), isMarked: true },
      { text: text.slice(text.length - same), isMarked: false },
    ].filter((span) => span.text !== "");
  return { before: spans(before), after: spans(after) };
}

function wordsOf(text) {
  return tokensOf(text.slice(0, 2000)).filter((token) => token.trim() !== "");
}

/** The longest common subsequence. A common space counts less than a common word. */
function commonTokens(old, young) {
  const weight = (token) => token.trim() === "" ? 1 : 4;
  return bestPairs(
    old.length,
    young.length,
    (row, column) => old[row] === young[column] ? weight(old[row]) : -1,
  );
}

/**
 * The pairs of indexes, increasing in both, with the highest sum of scores.
 *
 * @param {number} rows
 * @param {number} columns
 * @param {(row: number, column: number) => number} score negative if they cannot be a pair
 * @returns {[row: number, column: number][]}
 */
export function bestPairs(rows, columns, score) {
  const best = Array.from({ length: rows + 1 }, () => new Float64Array(columns + 1));
  for (let row = rows - 1; row >= 0; row--) {
    for (let column = columns - 1; column >= 0; column--) {
      const own = score(row, column);
      best[row][column] = Math.max(
        best[row + 1][column],
        best[row][column + 1],
        own < 0 ? 0 : own + best[row + 1][column + 1],
      );
    }
  }
  const pairs = [];
  let [row, column] = [0, 0];
  while (row < rows && column < columns) {
    if (best[row][column] === best[row + 1][column]) row += 1;
    else if (best[row][column] === best[row][column + 1]) column += 1;
    else pairs.push([row++, column++]);
  }
  return pairs;
}

/** Joins neighbours of the same kind. A space between two marked words is marked, too. */
function toSpans(tokens, marks) {
  const spans = [];
  for (const [at, token] of tokens.entries()) {
    const isMarked = marks.has(at) ||
      (token.trim() === "" && marks.has(at - 1) && marks.has(at + 1));
    const last = spans.at(-1);
    if (last?.isMarked === isMarked) last.text += token;
    else spans.push({ text: token, isMarked });
  }
  return spans;
}
