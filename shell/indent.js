/** Indentation with the Tab key. Pure. */

/** What one level of a text's indentation is: a tab, or a number of spaces. */
export function indentUnit(text) {
  const [, indent = "  "] = /^(\t| {2,8})\S/m.exec(text.slice(0, 20_000)) ?? [];
  return indent;
}

/**
 * Indents, or removes one level from, the lines of a selection.
 *
 * @param {string} text
 * @param {number} start of the selection
 * @param {number} end of the selection
 * @param {boolean} isOut whether a level is removed
 * @returns {{ from: number, to: number, insert: string, start: number, end: number }} the change, and the
 * selection after it
 */
export function indentLines(text, start, end, isOut) {
  const unit = indentUnit(text);
  if (start === end && !isOut) {
    const at = start + unit.length;
    return { from: start, to: end, insert: unit, start: at, end: at };
  }
  const from = text.lastIndexOf("\n", start - 1) + 1;
  // A selection that ends at the start of a line does not include that line.
  const last = end > start && text[end - 1] === "\n" ? end - 1 : end;
  const next = text.indexOf("\n", last);
  const to = next < 0 ? text.length : next;
  const lines = text.slice(from, to).split("\n");
  const changed = lines.map((line) => {
    if (!isOut) return line === "" ? line : unit + line;
    if (line.startsWith("\t")) return line.slice(1);
    return line.slice(Math.min(line.search(/[^ ]|$/), unit === "\t" ? 4 : unit.length));
  });
  const insert = changed.join("\n");
  const first = changed[0].length - lines[0].length;
  return {
    from,
    to,
    insert,
    start: Math.max(from, start + first),
    end: Math.max(from, end + insert.length - (to - from)),
  };
}
