/** Sorts and filters the rows of a table. Pure. */

/** A number as spreadsheets write it: `1,234.50`, `-3`, `12%`, `1e6`. */
const NUMBER = /^[-+]?(?:\d+|\d{1,3}(?:[,' ]\d{3})+)?(?:[.,]\d+)?(?:e[-+]?\d+)?\s?%?$/i;

/**
 * Returns the value of a cell that is a number, or NaN.
 *
 * @param {string} cell
 */
export function numberOf(cell) {
  const text = cell.trim();
  if (text === "" || text.length > 40 || !/\d/.test(text) || !NUMBER.test(text)) return NaN;
  const plain = text.replace(/[%' ]/g, "");
  // A comma before exactly three digits divides thousands; another one is a decimal comma.
  const decimal = plain.replace(/,(?=\d{3}(?:\D|$))/g, "").replace(",", ".");
  return Number(decimal);
}

/**
 * Sorts rows by a column: numbers first by value, then texts by the alphabet, then empty cells. Rows
 * with equal cells keep their order.
 *
 * @param {string[][]} rows
 * @param {number} column
 * @param {boolean} [isDown] the largest first
 * @returns {string[][]}
 */
export function sortRows(rows, column, isDown = false) {
  const { compare } = new Intl.Collator(undefined, { numeric: true });
  const sign = isDown ? -1 : 1;
  return rows.map((row) => {
    const cell = row[column] ?? "";
    const number = numberOf(cell);
    return { row, cell, number, group: cell === "" ? 2 : Number.isNaN(number) ? 1 : 0 };
  }).sort((a, b) => {
    if (a.group !== b.group) return a.group - b.group;
    return sign * (a.group === 0 ? a.number - b.number : compare(a.cell, b.cell));
  }).map(({ row }) => row);
}

/**
 * Returns the rows that contain each word of the query in some cell, in upper or lower case.
 *
 * @param {string[][]} rows
 * @param {string} query
 * @returns {string[][]}
 */
export function filterRows(rows, query) {
  const words = query.toLowerCase().split(/\s+/).filter((word) => word !== "");
  if (words.length === 0) return rows;
  return rows.filter((row) => {
    const text = row.join("\n").toLowerCase();
    return words.every((word) => text.includes(word));
  });
}
