/**
 * Parses a `.env` file: `NAME=value` lines, with `export`, quotes and comments as other programs
 * write them. Pure. A line that can be read in more than one way is a fault and never a guess,
 * because a setting that restricts access may be on it.
 */

/** One assignment. */
export interface EnvAssignment {
  readonly name: string;
  readonly value: string;
  /** Line of the name, counted from 1. */
  readonly line: number;
  /**
   * The value can be read in two ways, for example `abc#def`: why. The value is then what most
   * programs read.
   */
  readonly doubt?: string;
}

/** The first line that is not an assignment. */
export interface EnvFault {
  /** Counted from 1. */
  readonly line: number;
  /** A clause for an error message. It quotes nothing of the file, which may contain secrets. */
  readonly reason: string;
}

const BLANK = /[ \t\u00a0]*(?:#[^\r\n]*)?(?:\r\n|\n|\r|$)/y;
const NAME = /[ \t\u00a0]*(?:export[ \t]+)?([A-Za-z_][A-Za-z0-9_.-]*)[ \t]*=[ \t]*/y;
const REST_OF_LINE = /([^\r\n]*)(?:\r\n|\n|\r|$)/y;
const QUOTES = "\"'`";

/**
 * Parses the text of a `.env` file. A value in double quotes, single quotes or backticks can
 * contain line breaks and `#`; in double quotes `\n` is a line break. An unquoted value ends at a
 * `#`.
 *
 * @param text text without a byte order mark
 * @returns the assignments in the order of the file, or the first fault
 *
 * @example
 * ```ts
 * import { deepStrictEqual } from "node:assert/strict";
 * import { parseEnvFile } from "./env_file.ts";
 *
 * deepStrictEqual(parseEnvFile("A=1 # one\n"), [{ name: "A", value: "1", line: 1 }]);
 * deepStrictEqual(parseEnvFile("A: 1"), { line: 1, reason: "it is not NAME=value" });
 * ```
 */
export function parseEnvFile(text: string): EnvAssignment[] | EnvFault {
  const found: EnvAssignment[] = [];
  let at = 0;
  let line = 1;
  while (at < text.length) {
    const blank = matchAt(BLANK, text, at);
    if (blank !== undefined) {
      at += blank[0].length;
      line += 1;
      continue;
    }
    const start = matchAt(NAME, text, at);
    if (start === undefined) return { line, reason: "it is not NAME=value" };
    const name = start[1] ?? "";
    at += start[0].length;
    const quote = text[at] ?? "";
    if (quote !== "" && QUOTES.includes(quote)) {
      const close = text.indexOf(quote, at + 1);
      if (close < 0) return { line, reason: `the quote ${quote} is not closed` };
      const inner = text.slice(at + 1, close);
      const rest = matchAt(REST_OF_LINE, text, close + 1);
      const after = rest?.[1] ?? "";
      found.push({
        name,
        value: quote === '"' ? inner.replaceAll("\\n", "\n") : inner,
        line,
        ...(/^[ \t\u00a0]*(?:#.*)?$/.test(after)
          ? {}
          : { doubt: "text follows the closing quote" }),
      });
      line += 1 + (inner.match(/\r\n|\n|\r/g)?.length ?? 0);
      at = close + 1 + (rest?.[0].length ?? 0);
      continue;
    }
    const rest = matchAt(REST_OF_LINE, text, at);
    const raw = rest?.[1] ?? "";
    const hash = raw.indexOf("#");
    const value = (hash < 0 ? raw : raw.slice(0, hash)).trim();
    // `NAME= # comment` is empty, and `NAME=a # comment` is `a` for every program.
    const isComment = hash < 0 || /[ \t\u00a0]/.test(raw[hash - 1] ?? text[at - 1] ?? "");
    found.push({
      name,
      value,
      line,
      ...(isComment ? {} : { doubt: "# starts a comment for some programs; quote the value" }),
    });
    at += rest?.[0].length ?? 0;
    line += 1;
  }
  return found;
}

function matchAt(pattern: RegExp, text: string, at: number): RegExpExecArray | undefined {
  pattern.lastIndex = at;
  return pattern.exec(text) ?? undefined;
}
