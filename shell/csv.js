/**
 * Parses comma-separated values (RFC 4180) and its relatives with semicolons or tabs. Pure. Every
 * character of a cell is kept, also in text that violates the format.
 */

/** Separators; of several that are possible, the first one is used. */
const SEPARATORS = [",", ";", "\t"];
/** Rows that are read to guess the separator. */
const SAMPLE_ROWS = 20;

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
 * Returns the separator of a text: one that divides its first row, and preferably one that divides
 * the next rows into the same number of cells. Without any it is a comma.
 *
 * @param {string} text
 * @returns {string}
 */
export function guessSeparator(text) {
  const possible = SEPARATORS.map((separator) => ({
    separator,
    rows: parseRows(text, separator, SAMPLE_ROWS).filter((row) => row.join("") !== ""),
  })).filter(({ rows }) => rows.length > 0 && rows[0].length > 1);
  const even = possible.find(({ rows }) => rows.every((row) => row.length === rows[0].length));
  return (even ?? possible[0])?.separator ?? ",";
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
