/** Parses comma- and tab-separated values (RFC 4180). Pure. */

/**
 * Returns rows of strings.
 *
 * @param {string} text
 * @param {string} [separator]
 * @returns {string[][]}
 */
export function parseCsv(text, separator = ",") {
  const rows = [];
  let row = [];
  let at = 0;
  while (at < text.length) {
    let cell = "";
    if (text[at] === '"') {
      for (at++; at < text.length; at++) {
        if (text[at] !== '"') cell += text[at];
        else if (text[at + 1] === '"') {
          cell += '"';
          at++;
        } else break;
      }
      at++;
    } else {
      const start = at;
      while (at < text.length && text[at] !== separator && text[at] !== "\n" && text[at] !== "\r") {
        at++;
      }
      cell = text.slice(start, at);
    }
    row.push(cell);
    if (text[at] === separator) {
      at++;
      if (at === text.length) row.push("");
      continue;
    }
    // Text after a closing quote is not valid, and skipped to the end of the line.
    while (at < text.length && text[at] !== "\n" && text[at] !== "\r") at++;
    at += text[at] === "\r" && text[at + 1] === "\n" ? 2 : 1;
    rows.push(row);
    row = [];
  }
  if (row.length > 0) rows.push(row);
  return rows;
}
