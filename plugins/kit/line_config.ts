/**
 * Reads configuration in lines: one entry per line, `#` begins a comment. A byte order mark, the
 * three kinds of line ends, blank lines and characters that are not text are handled here; what an
 * entry means is not. The server decodes UTF-16 before.
 */

/** An entry of a configuration. */
export interface ConfigLine {
  /** Line number, counted from 1. */
  readonly line: number;
  /** Text of the line without white space at either end; not empty. */
  readonly text: string;
  /** Why the line cannot be used, whatever it means: it contains something that is not text. */
  readonly fault?: string;
}

/** Control characters except tabs, and what a decoder puts in the place of bytes that are not text. */
// deno-lint-ignore no-control-regex -- the pattern must match control characters
const NOT_TEXT = /[\0-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufffd]/;

/**
 * Splits a configuration into its entries. Blank lines and comments are left out.
 *
 * A line with control characters, or with bytes that are neither UTF-8 nor UTF-16, has a `fault`.
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
    if (entry === "" || entry.startsWith("#")) continue;
    const fault = NOT_TEXT.test(entry) ? { fault: "it contains characters that are not text" } : {};
    lines.push({ line: at + 1, text: entry, ...fault });
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
