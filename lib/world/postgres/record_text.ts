/**
 * Rows as one parameter of a statement: the text that the server reads as an array of a composite type
 * (PostgreSQL, "Composite Type Input and Output Syntax" and "Array Input and Output Syntax"). Pure.
 */

/** A column of a row. */
export type RecordValue = string | number | boolean | null;

/** Rows of one composite type, in the order of its columns. */
export class RecordText {
  #text = "";
  #count = 0;

  /** Number of rows. */
  get count(): number {
    return this.#count;
  }

  /** Adds a row. */
  add(values: readonly RecordValue[]): void {
    let row = this.#count++ === 0 ? '"(' : ',"(';
    for (let i = 0; i < values.length; i++) {
      const value = values[i] ?? null;
      if (i > 0) row += ",";
      if (typeof value === "string") row += quote(value);
      else if (value !== null) row += value;
    }
    this.#text += `${row})"`;
  }

  toString(): string {
    return `{${this.#text}}`;
  }
}

/**
 * A text is quoted twice: for the row, and for the array. So a quote of the row is `\"`, and an escape of
 * the row is `\\`.
 */
function quote(text: string): string {
  const escaped = /["\\]/.test(text)
    ? text.replace(/["\\]/g, (char) => char === '"' ? '\\\\\\"' : "\\\\\\\\")
    : text;
  return `\\"${escaped}\\"`;
}
