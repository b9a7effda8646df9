/**
 * Reads configuration in lines: one entry per line, `#` begins a comment. A byte order mark, the
 * three kinds of line ends and blank lines are handled here; what an entry means is not.
 */

/** An entry of a configuration. */
export interface ConfigLine {
  /** Line number, counted from 1. */
  readonly line: number;
  /** Text of the line without white space at either end; not empty. */
  readonly text: string;
}

/**
 * Splits a configuration into its entries. Blank lines and comments are left out.
 *
 * @param comments `line`: a comment has a line of its own, so that an entry may contain `#`;
 * `anywhere`: a `#` begins a comment wherever it appears
 *
 * @example
 * ```ts
 * import { deepStrictEqual } from "node:assert/strict";
 * import { configLines } from "./line_config.ts";
 *
 * deepStrictEqual(configLines("# targets\r\n\r\nhome/a\n"), [{ line: 3, text: "home/a" }]);
 * deepStrictEqual(configLines("budget 5 # calls", "anywhere"), [{ line: 1, text: "budget 5" }]);
 * ```
 */
export function configLines(text: string, comments: "line" | "anywhere" = "line"): ConfigLine[] {
  const lines: ConfigLine[] = [];
  for (const [at, raw] of text.replace(/^\ufeff/, "").split(/\r\n|\n|\r/).entries()) {
    const entry = (comments === "anywhere" ? raw.replace(/#.*$/, "") : raw).trim();
    if (entry !== "" && !entry.startsWith("#")) lines.push({ line: at + 1, text: entry });
  }
  return lines;
}

/**
 * Removes a comment from the end of an entry. The `#` must be the first character or follow white
 * space, so that a value may contain `#`.
 *
 * @example
 * ```ts
 * import { strictEqual } from "node:assert/strict";
 * import { withoutComment } from "./line_config.ts";
 *
 * strictEqual(withoutComment("llama3.2 # the small one"), "llama3.2");
 * strictEqual(withoutComment("c#"), "c#");
 * ```
 */
export function withoutComment(text: string): string {
  return text.replace(/(?:^|\s+)#.*$/, "").trim();
}
