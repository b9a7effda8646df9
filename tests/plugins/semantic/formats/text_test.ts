import { assertEquals } from "../../../support/assert.ts";
import {
  findControlCharacters,
  findMarkdownFault,
  MARKDOWN,
  PLAIN_TEXT,
} from "../../../../plugins/semantic/formats/text.ts";

Deno.test("findControlCharacters() finds every control character except tab, LF and CR", () => {
  for (let code = 0; code < 0xa0; code++) {
    const char = String.fromCharCode(code);
    const isAllowed = "\t\n\r".includes(char) || code >= 0x20 && code < 0x7f;
    assertEquals(
      findControlCharacters(`a${char}b`),
      isAllowed ? undefined : "it contains control characters",
      `U+${code.toString(16)}`,
    );
  }
});

Deno.test("findMarkdownFault() refuses a text that begins as HTML, XML or SVG", () => {
  for (const text of ["<!DOCTYPE html>", "<html>", "<?xml version='1.0'?>", "<svg>"]) {
    assertEquals(findMarkdownFault(text), "it is HTML or XML instead of Markdown", text);
  }
});

Deno.test("findMarkdownFault() accepts any other text", () => {
  for (const text of ["# x", "plain", "a <html> in the middle", "<svgx>", ""]) {
    assertEquals(findMarkdownFault(text), undefined, text);
  }
});

Deno.test("PLAIN_TEXT accepts any text", () => {
  assertEquals(PLAIN_TEXT.findFault("<html>"), undefined);
});

Deno.test("MARKDOWN does not remove a fence without a language", () => {
  assertEquals(MARKDOWN.fences.includes(""), false);
});
