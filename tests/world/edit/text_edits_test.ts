/** Tests of edits that find and replace texts. */
import { assertMatch, assertStrictEquals } from "../../support/assert.ts";
import { MAX_EDITS } from "../../../lib/limits.ts";
import { EditBudget, EditFault } from "../../../lib/world/edit/edit_fault.ts";
import { applyTextEdits } from "../../../lib/world/edit/text_edits.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

function editText(text: string, sent: unknown): string {
  return decoder.decode(applyTextEdits(encoder.encode(text), sent, new EditBudget()));
}

function faultOf(text: string, sent: unknown): EditFault {
  try {
    editText(text, sent);
  } catch (error) {
    if (error instanceof EditFault) return error;
    throw error;
  }
  throw new Error("it applies");
}

/** Text, body, result. */
const EDITS: readonly (readonly [title: string, text: string, sent: unknown, result: string])[] = [
  ["replaces a text that occurs once", "a b c", { edits: [{ find: "b", replace: "x" }] }, "a x c"],
  ["removes a text", "a b c", { edits: [{ find: " b", replace: "" }] }, "a c"],
  ["applies each edit to the result so far", "a", {
    edits: [{ find: "a", replace: "bb" }, { find: "bb", replace: "c" }],
  }, "c"],
  ["replaces all", "a-a-a", { edits: [{ find: "a", replace: "aa", all: true }] }, "aa-aa-aa"],
  ["replaces all from the left without overlaps", "aaaaa", {
    edits: [{ find: "aa", replace: "b", all: true }],
  }, "bba"],
  ["replaces one with all", "ab", { edits: [{ find: "a", replace: "x", all: true }] }, "xb"],
  ["finds text across lines", "a\nb\n", { edits: [{ find: "a\nb", replace: "c" }] }, "c\n"],
  ["finds text beyond ASCII", "né 日本 🎈", { edits: [{ find: "本 🎈", replace: "é" }] }, "né 日é"],
  ["has no special characters", "a.*$&b", { edits: [{ find: ".*", replace: "$&$1" }] }, "a$&$1$&b"],
  ["puts a text before the whole", "b", { prepend: "a\n" }, "a\nb"],
  ["puts a text after a byte order mark", "\ufeffb", { prepend: "a\n" }, "\ufeffa\nb"],
  ["puts a text after the whole", "a", { append: "b" }, "ab"],
  ["replaces a line and keeps its end", "1\n2\n3\n", { line: 2, replace: "x" }, "1\nx\n3\n"],
  [
    "replaces a line that contains a text",
    "1\nb c\n3\n",
    { line: 2, find: "c", replace: "x" },
    "1\nx\n3\n",
  ],
  ["replaces a line that ends in CRLF", "1\r\n2\r\n", { line: 2, replace: "x" }, "1\r\nx\r\n"],
  ["replaces the last line without an end", "1\n2", { line: 2, replace: "x" }, "1\nx"],
  [
    "replaces the first line after a byte order mark",
    "\ufeff1\n",
    { line: 1, replace: "x" },
    "\ufeffx\n",
  ],
  ["replaces a line by two", "1\n2\n", { line: 1, replace: "a\nb" }, "a\nb\n2\n"],
];

for (const [title, text, sent, result] of EDITS) {
  Deno.test(`applyTextEdits() ${title}`, () => assertStrictEquals(editText(text, sent), result));
}

Deno.test("applyTextEdits() names the edit that does not apply, and what it found", () => {
  const cases: readonly (readonly [string, unknown, RegExp])[] = [
    [
      "a a a",
      { edits: [{ find: "a a a", replace: "a b b" }, { find: "b", replace: "" }] },
      /^edit 2 of 2: the text "b" occurs 2 times; send "all":true or a longer text$/,
    ],
    ["aaa", { edits: [{ find: "aa", replace: "" }] }, /occurs 2 times/],
    ["a", { edits: [{ find: "b", replace: "" }] }, /^edit 1 of 1: the text "b" does not occur$/],
    ["a", { edits: [{ find: "b", replace: "", all: true }] }, /does not occur$/],
    [
      "a\r\nb\r\n",
      { edits: [{ find: "a\nb", replace: "" }] },
      /does not occur; the lines of the world end in CRLF$/,
    ],
    ["1\n2\n", { line: 3, replace: "" }, /^there is no line 3: the world has 2 lines$/],
    ["", { line: 1, replace: "" }, /^there is no line 1: the world has 0 lines$/],
    ["1\nabc\n", { line: 2, find: "x", replace: "" }, /^line 2 is "abc" and does not contain "x"$/],
    ["a".repeat(2000), { edits: [{ find: "a", replace: "" }] }, /occurs 1000 times or more/],
  ];
  for (const [text, sent, pattern] of cases) {
    const fault = faultOf(text, sent);
    assertStrictEquals(fault.kind, "conflict");
    assertMatch(fault.message, pattern);
  }
});

Deno.test("applyTextEdits() refuses malformed bodies and says what is wrong", () => {
  const cases: readonly (readonly [unknown, RegExp])[] = [
    [[], /not a JSON object/],
    [null, /not a JSON object/],
    ["x", /not a JSON object/],
    [{}, /no edits; send \{"edits"/],
    [{ edit: [] }, /no edits/],
    [{ edits: [] }, /not a list of edits/],
    [{ edits: {} }, /not a list of edits/],
    [{ edits: [1] }, /edit 1 of 1 is not an object/],
    [{ edits: [{ find: "a" }] }, /needs "replace"/],
    [{ edits: [{ replace: "a" }] }, /needs "find"/],
    [{ edits: [{ find: "", replace: "a" }] }, /"find" is empty/],
    [
      { edits: [{ find: "a", replace: "b", al: true }] },
      /unknown member "al"; known: find, replace, all/,
    ],
    [{ edits: [{ find: "a", replace: "b", all: 1 }] }, /"all" is neither/],
    [{ edits: [{ find: "\ud800", replace: "b" }] }, /half a surrogate pair/],
    [{ edits: [{ find: "a", replace: "b" }], append: "c" }, /has edits and append; send one kind/],
    [{ append: 1 }, /needs "append", a string/],
    [{ append: "a", x: 1 }, /unknown member "x"/],
    [{ line: 0, replace: "" }, /whole number, from 1/],
    [{ line: 1.5, replace: "" }, /whole number, from 1/],
    [{ line: "1", replace: "" }, /whole number, from 1/],
    [{ line: 1 }, /needs "replace"/],
  ];
  for (const [sent, pattern] of cases) {
    const fault = faultOf("a", sent);
    assertStrictEquals(fault.kind, "malformed", JSON.stringify(sent));
    assertMatch(fault.message, pattern);
  }
});

Deno.test("applyTextEdits() takes MAX_EDITS edits and not one more", () => {
  const edits = Array.from(
    { length: MAX_EDITS },
    (_, i) => ({ find: `<${i}>`, replace: `<${i + 1}>` }),
  );
  assertStrictEquals(editText("<0>", { edits }), `<${MAX_EDITS}>`);
  assertStrictEquals(faultOf("<0>", { edits: [...edits, ...edits.slice(0, 1)] }).kind, "too-large");
});

Deno.test("applyTextEdits() ends texts that were made to be slow", () => {
  const long = "a".repeat(2_000_000);
  assertStrictEquals(
    faultOf(long, { edits: [{ find: `b${"a".repeat(1_000_000)}`, replace: "" }] }).kind,
    "conflict",
  );
  assertStrictEquals(
    faultOf(long, { edits: [{ find: `${"a".repeat(1_000_000)}b`, replace: "" }] }).kind,
    "conflict",
  );
  const many = Array.from(
    { length: MAX_EDITS },
    () => ({ find: "aaa", replace: "aaa", all: true }),
  );
  assertStrictEquals(faultOf(long, { edits: many }).kind, "too-large");
  assertStrictEquals(
    faultOf("\n".repeat(20_000_000), { line: 19_000_000, replace: "" }).kind,
    "too-large",
  );
  const doubling = Array.from({ length: 60 }, () => ({ find: "a", replace: "aa", all: true }));
  assertStrictEquals(faultOf("a", { edits: doubling }).kind, "too-large");
});
