/**
 * Parses comma-separated values (RFC 4180) and its relatives with semicolons or tabs. Pure. Every
 * character of a cell is kept, also in text that violates the format.
 */

/** Separators; of several that divide as many rows evenly, the first one is used. */
export const SEPARATORS = [",", ";", "\t", "|"];
/** Characters that are read to guess the separator. */
const SAMPLE_CHARS = 1_000_000;

/**
 * Returns rows of strings. A byte order mark is removed. Lines end with CR LF, LF or CR.
 *
 * A quoted cell may contain separators, line breaks and doubled quotes; without an end it reaches to
 * the end of the text. A quote within any other cell is text.
 *
 * @param {string} text
 * @param {string} [separator] guessed if absent
 * @returns {string[][]}
 */
export function parseCsv(text, separator = guessSeparator(text)) {
  return parseRows(text, separator, Infinity);
}

/**
 * Returns the separator of a text: the one that divides most of its rows into the same number of cells,
 * at least two. Without any it is a comma.
 *
 * @param {string} text
 * @returns {string}
 */
export function guessSeparator(text) {
  const sample = text.slice(0, SAMPLE_CHARS);
  let best = { separator: ",", share: 0 };
  for (const separator of SEPARATORS) {
    if (!sample.includes(separator)) continue;
    const rows = parseRows(sample, separator, Infinity).filter((row) => row.join("") !== "");
    /** Number of rows by their number of cells. */
    const lengths = new Map();
    for (const { length } of rows) {
      if (length > 1) lengths.set(length, (lengths.get(length) ?? 0) + 1);
    }
    const share = Math.max(0, ...lengths.values()) / rows.length;
    if (share > best.share) best = { separator, share };
  }
  return best.separator;
}

function parseRows(text, separator, limit) {
  const rows = [];
  let row = [];
  let at = text.startsWith("\ufeff") ? 1 : 0;
  while (at < text.length && rows.length < limit) {
    const { cell, end } = readCell(text, at, separator);
    row.push(cell);
    at = end;
    if (text[at] === separator) {
      at++;
      if (at < text.length) continue;
      row.push("");
    } else at += text[at] === "\r" && text[at + 1] === "\n" ? 2 : 1;
    rows.push(row);
    row = [];
  }
  return rows;
}

/** Reads one cell. `end` is the offset of the separator or line end after it. */
function readCell(text, start, separator) {
  const close = text[start] === '"' ? closingQuote(text, start + 1) : start - 1;
  let end = close + 1;
  while (end < text.length && text[end] !== separator && text[end] !== "\n" && text[end] !== "\r") {
    end++;
  }
  end = Math.min(end, text.length);
  if (close < start) return { cell: text.slice(start, end), end };
  const rest = text.slice(close + 1, end);
  if (rest.trim() === "") {
    return { cell: text.slice(start + 1, close).replaceAll('""', '"') + rest, end };
  }
  // Quotes that are not doubled: `"Smith "Bob" Jones"`.
  const isWhole = rest.endsWith('"');
  return { cell: isWhole ? text.slice(start + 1, end - 1) : text.slice(start, end), end };
}

/** Returns the offset of the quote that ends a cell, or the length of the text. */
function closingQuote(text, from) {
  for (let at = from;; at += 2) {
    at = text.indexOf('"', at);
    if (at < 0) return text.length;
    if (text[at + 1] !== '"') return at;
  }
}
