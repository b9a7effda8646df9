/** The modules of the editor that need no browser. */

import { assert, assertEquals } from "../support/assert.ts";
import { assertLinear } from "../support/growth.ts";
import { deleteDraft, deleteDrafts, readDraft, storeDraft } from "../../shell/drafts.js";
import { indentLines, indentUnit } from "../../shell/indent.js";
import { markdownMode } from "../../shell/markdown_mode.js";
import { faultText, nextSteps } from "../../shell/save_faults.js";
import { metaLines } from "../../shell/save_world.js";
import { guessType } from "../../shell/type_field.js";

Deno.test("indentUnit() is what the text uses, and two spaces in a text without indentation", () => {
  assertEquals(indentUnit("a\n\tb"), "\t");
  assertEquals(indentUnit("a\n    b\n        c"), "    ");
  assertEquals(indentUnit("a\nb"), "  ");
});

Deno.test("indentLines() inserts a level at the caret, and changes all lines of a selection", () => {
  for (
    const [text, start, end, isOut, expected] of [
      ["ab", 1, 1, false, "a  b"],
      ["a\nb\nc", 0, 3, false, "  a\n  b\nc"],
      ["a\nb\nc", 0, 2, false, "  a\nb\nc"],
      ["a\n\nb", 0, 4, false, "  a\n\n  b"],
      ["  a\n  b", 0, 7, true, "a\nb"],
      ["\ta\n\t\tb", 0, 6, true, "a\n\tb"],
      [" a", 2, 2, true, "a"],
      ["   ", 1, 1, true, " "],
      ["a", 0, 1, true, "a"],
    ] as const
  ) {
    const change = indentLines(text, start, end, isOut);
    const after = text.slice(0, change.from) + change.insert + text.slice(change.to);
    assertEquals(after, expected, JSON.stringify(text));
    assert(change.start <= change.end && change.end <= after.length, JSON.stringify(text));
  }
});

Deno.test("nextSteps() offers a step for every status that a save can get", () => {
  assertEquals(nextSteps(401)[0], "signIn");
  assertEquals(nextSteps(403).slice(0, 2), ["signIn", "saveAs"]);
  assertEquals(nextSteps(409)[0], "saveAs");
  assertEquals(nextSteps(412)[0], "compare");
  assertEquals(nextSteps(413), ["download"]);
  for (const status of [0, 408, 429, 500, 502, 503, 504, 507]) {
    assertEquals(nextSteps(status)[0], "retry", String(status));
  }
  assertEquals(nextSteps(undefined), ["download"]);
});

Deno.test("faultText() is the reason of the server, with what to do for a long text", () => {
  assertEquals(
    faultText({ status: 403, message: "Cannot write /home/x: read only" }),
    "Not saved. Cannot write /home/x: read only. Your text stays here.",
  );
  assert(faultText({ status: 413, message: "Too long" }).includes("Shorten the text"));
});

Deno.test("guessType() decides like the server: suffix, then the type before, then the text", () => {
  assertEquals(guessType("home/a.md", "<p>"), "md");
  assertEquals(guessType("home/a", "  <p>"), "html");
  assertEquals(guessType("home/a", "text"), "txt");
  assertEquals(guessType("home/a", "text", "md"), "md");
  assertEquals(guessType("home/a", "text", "html"), "txt");
  assertEquals(guessType("home/.md", "text"), "txt");
});

Deno.test("metaLines() has one line for each metadata header", () => {
  const headers = new Headers({ "x-meta-author": "ada", "x-meta-b": "1: 2", etag: '"1"' });
  assertEquals(metaLines(headers), "author: ada\nb: 1: 2");
});

Deno.test("drafts are kept by name until they are deleted", () => {
  const draft = { text: "typed", type: "", meta: "", base: 3, at: "2026-01-01T00:00:00.000Z" };
  sessionStorage.clear();
  assertEquals(readDraft("home/a"), undefined);
  assert(storeDraft("home/a", draft));
  assert(storeDraft("home/b", draft));
  sessionStorage.setItem("other", "kept");
  assertEquals(readDraft("home/a"), draft);
  deleteDraft("home/a");
  assertEquals(readDraft("home/a"), undefined);
  deleteDrafts();
  assertEquals(readDraft("home/b"), undefined);
  assertEquals(sessionStorage.getItem("other"), "kept");
  sessionStorage.setItem("elastik.draft:home/c", "{");
  assertEquals(readDraft("home/c"), undefined);
  sessionStorage.clear();
});

Deno.test("the Markdown mode reads hostile lines in linear time", () => {
  const hostile = ["[a](", "**a", "_a_", "`", "<http", "> ", "- ", "![", "~~", "\\"];
  for (const part of hostile) {
    // The shorter text is longer than the part of a line that the mode looks at.
    assertLinear((length) => tokenize(part.repeat(length / part.length)), 80_000, part);
  }
});

Deno.test("the Markdown mode colours headings, marks and fenced code", () => {
  assertEquals(tokenize("# A"), ["heading"]);
  assertEquals(tokenize("```js\n# no heading\n```\n**b**"), [
    "monospace",
    "monospace",
    "monospace",
    "strong",
  ]);
});

/** Runs the mode over a text, as CodeMirror does, and returns the styles. */
function tokenize(text: string): string[] {
  const state = markdownMode.startState();
  const styles: string[] = [];
  for (const string of text.split("\n")) {
    const stream = new Stream(string);
    while (stream.at < string.length) {
      const before = stream.at;
      const style = markdownMode.token(stream, state);
      if (typeof style === "string") styles.push(style);
      assert(stream.at > before, "the mode does not advance");
    }
  }
  return styles;
}

/** What the mode uses of CodeMirror's StringStream. */
class Stream {
  at = 0;
  constructor(readonly string: string) {}
  sol() {
    return this.at === 0;
  }
  skipToEnd() {
    this.at = this.string.length;
  }
  match(pattern: RegExp) {
    const found = this.string.slice(this.at).match(pattern);
    if (!found || found.index !== 0) return null;
    this.at += found[0].length;
    return found;
  }
  next() {
    return this.string[this.at++];
  }
  eatWhile(pattern: RegExp) {
    const start = this.at;
    while (this.at < this.string.length && pattern.test(this.string[this.at] ?? "")) this.at++;
    return this.at > start;
  }
}

Deno.test("deleteDraft() and deleteDrafts() do not throw if the browser blocks its storage", () => {
  const own = Object.getOwnPropertyDescriptor(globalThis, "sessionStorage");
  assert(own !== undefined);
  const get = () => {
    throw new DOMException("denied", "SecurityError");
  };
  Object.defineProperty(globalThis, "sessionStorage", { get, configurable: true });
  try {
    deleteDraft("home/a");
    deleteDrafts();
    assertEquals(storeDraft("home/a", { text: "x", type: "", meta: "", at: "" }), false);
    assertEquals(readDraft("home/a"), undefined);
  } finally {
    Object.defineProperty(globalThis, "sessionStorage", own);
  }
});
