import { assertEquals } from "../../support/assert.ts";
import { configLines, withoutComment } from "../../../plugins/kit/line_config.ts";

Deno.test("configLines() numbers entries and skips blank lines and comments", () => {
  assertEquals(configLines("\n  # no\na b\n\t\n c #1 \n"), [
    { line: 3, text: "a b" },
    { line: 5, text: "c #1" },
  ]);
});

Deno.test("configLines() accepts LF, CRLF, CR and a byte order mark", () => {
  assertEquals(configLines("\ufeffa\r\nb\rc\n\rd"), [
    { line: 1, text: "a" },
    { line: 2, text: "b" },
    { line: 3, text: "c" },
    { line: 5, text: "d" },
  ]);
});

Deno.test("configLines() removes comments within a line only if the option is set", () => {
  assertEquals(configLines("a = 1#x\n # y\nb", "anywhere"), [
    { line: 1, text: "a = 1" },
    { line: 3, text: "b" },
  ]);
});

Deno.test("configLines() returns nothing for an empty text", () => {
  assertEquals(configLines(""), []);
});

Deno.test("withoutComment() removes a comment that white space precedes", () => {
  assertEquals(withoutComment("a # b"), "a");
  assertEquals(withoutComment("a\t#"), "a");
  assertEquals(withoutComment("# b"), "");
  assertEquals(withoutComment("a#b"), "a#b");
});

Deno.test("configLines() reports lines that contain something that is not text", () => {
  const fault = "it contains characters that are not text";
  assertEquals(configLines("a\tb\nc\ufffd\nd\0\ne\u009f"), [
    { line: 1, text: "a\tb" },
    { line: 2, text: "c\ufffd", fault },
    { line: 3, text: "d\0", fault },
    { line: 4, text: "e\u009f", fault },
  ]);
});
