/** Checks of plain text and Markdown. Pure. */

import type { Format } from "./format.ts";

export const PLAIN_TEXT: Format = {
  type: "text/plain",
  contentType: "text/plain; charset=utf-8",
  rules: "Plain text for a terminal: no Markdown, no HTML.",
  fences: ["", "text", "txt", "plain", "plaintext"],
  findFault: () => undefined,
};

export const MARKDOWN: Format = {
  type: "text/markdown",
  contentType: "text/markdown; charset=utf-8",
  rules: "Markdown (CommonMark, tables allowed), without raw HTML and not inside a code fence.",
  fences: ["markdown", "md"],
  findFault: findMarkdownFault,
};

/** Finds control characters, which no format needs and which a terminal may execute. */
export function findControlCharacters(text: string): string | undefined {
  // deno-lint-ignore no-control-regex -- the pattern must match control characters
  return /[\0-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]/.test(text)
    ? "it contains control characters"
    : undefined;
}

/** Finds out whether a text is HTML or XML instead of Markdown. */
export function findMarkdownFault(text: string): string | undefined {
  return /^(?:<!doctype|<html|<\?xml|<svg)\b/i.test(text)
    ? "it is HTML or XML instead of Markdown"
    : undefined;
}
