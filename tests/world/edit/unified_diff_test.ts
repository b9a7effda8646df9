/** Tests of unified diffs: dialects, line ends, places, and random texts. */
import { assertMatch, assertStrictEquals } from "../../support/assert.ts";
import { MAX_DIFF_LINES } from "../../../lib/limits.ts";
import { createUnifiedDiff } from "../../../lib/world/edit/create_diff.ts";
import { EditBudget, EditFault } from "../../../lib/world/edit/edit_fault.ts";
import { applyUnifiedDiff, toEndedLines } from "../../../lib/world/edit/unified_diff.ts";
import { createRandom } from "../../support/random.ts";

const patchLines = (text: string, diff: string) => applyUnifiedDiff(text, diff, new EditBudget());

function faultOf(text: string, diff: string): EditFault {
  try {
    patchLines(text, diff);
  } catch (error) {
    if (error instanceof EditFault) return error;
    throw error;
  }
  throw new Error("it applies");
}

const NUMBERS = Array.from({ length: 20 }, (_, i) => `line ${i + 1}\n`).join("");
const CHANGE = "@@ -4,3 +4,3 @@\n line 4\n-line 5\n+LINE 5\n line 6\n";

/** Text, diff, result. */
const DIFFS: readonly (readonly [title: string, text: string, diff: string, result: string])[] = [
  ["a diff without file names", NUMBERS, CHANGE, NUMBERS.replace("line 5\n", "LINE 5\n")],
  [
    "a diff of GNU diff",
    NUMBERS,
    `--- a\t2026-01-01\n+++ b\t2026-01-01\n${CHANGE}`,
    NUMBERS.replace("line 5\n", "LINE 5\n"),
  ],
  [
    "a diff of git",
    NUMBERS,
    `diff --git a/x b/x\nindex 1..2 100644\n--- a/x\n+++ b/x\n${CHANGE}`,
    NUMBERS.replace("line 5\n", "LINE 5\n"),
  ],
  [
    "a text whose lines were moved by others",
    `new\n${NUMBERS}`,
    CHANGE,
    `new\n${NUMBERS.replace("line 5\n", "LINE 5\n")}`,
  ],
  ["a diff without context", "a\nb\nc\n", "@@ -2 +2 @@\n-b\n+B\n", "a\nB\nc\n"],
  ["lines that are added after a line", "a\nb\n", "@@ -1,0 +2,1 @@\n+x\n", "a\nx\nb\n"],
  ["lines that are added at the start", "a\n", "@@ -0,0 +1 @@\n+x\n", "x\na\n"],
  ["lines that are added at the end", "a\n", "@@ -1,0 +2 @@\n+x\n", "a\nx\n"],
  ["an empty text", "", "@@ -0,0 +1,2 @@\n+a\n+b\n", "a\nb\n"],
  ["a removal of everything", "a\nb\n", "@@ -1,2 +0,0 @@\n-a\n-b\n", ""],
  [
    "an empty line of context without its space",
    "a\n\nb\n",
    "@@ -1,3 +1,3 @@\n-a\n+A\n\n b\n",
    "A\n\nb\n",
  ],
  [
    "a last line that loses its end",
    "a\nb\n",
    "@@ -2 +2 @@\n-b\n+b\n\\ No newline at end of file\n",
    "a\nb",
  ],
  [
    "a last line that gets an end",
    "a\nb",
    "@@ -2 +2 @@\n-b\n\\ No newline at end of file\n+b\n",
    "a\nb\n",
  ],
  [
    "a last line without an end as context",
    "a\nb",
    "@@ -1,2 +1,2 @@\n-a\n+A\n b\n\\ No newline at end of file\n",
    "A\nb",
  ],
  [
    "a world with CRLF and a diff with LF",
    "a\r\nb\r\n",
    "@@ -1,2 +1,2 @@\n-a\n+A\n b\n",
    "A\r\nb\r\n",
  ],
  [
    "a world with LF and a diff with CRLF",
    "a\nb\n",
    "@@ -1,2 +1,2 @@\r\n-a\r\n+A\r\n b\r\n",
    "A\nb\n",
  ],
  [
    "a last line without an end in a world with CRLF",
    "a\r\nb",
    "@@ -1,2 +1,3 @@\n a\n-b\n\\ No newline at end of file\n+B\n+c\n\\ No newline at end of file\n",
    "a\r\nB\r\nc",
  ],
  [
    "a last line without an end in a diff with CRLF",
    "a",
    "@@ -1 +1 @@\r\n-a\r\n\\ No newline at end of file\r\n+b\r\n\\ No newline at end of file\r\n",
    "b",
  ],
  [
    "a last line that ends in CR only",
    "a\r",
    "@@ -1 +1 @@\n-a\r\n\\ No newline at end of file\n+\r\n\\ No newline at end of file\n",
    "\r",
  ],
  ["a world with both line ends", "a\r\nb\n", "@@ -1,2 +1,2 @@\n-a\r\n+A\r\n b\n", "A\r\nb\n"],
  ["a line that becomes CRLF", "a\nb\n", "@@ -1,2 +1,2 @@\n-a\n+a\r\n b\n", "a\r\nb\n"],
  [
    "two hunks, both moved",
    `x\ny\n${NUMBERS}`,
    `${CHANGE}@@ -15,3 +15,2 @@\n line 15\n-line 16\n line 17\n`,
    `x\ny\n${NUMBERS.replace("line 5\n", "LINE 5\n").replace("line 16\n", "")}`,
  ],
  [
    "two hunks of which the second is moved",
    NUMBERS.replace("line 10\n", "line 10\nmore\n"),
    `${CHANGE}@@ -15,3 +15,2 @@\n line 15\n-line 16\n line 17\n`,
    NUMBERS.replace("line 10\n", "line 10\nmore\n").replace("line 5\n", "LINE 5\n").replace(
      "line 16\n",
      "",
    ),
  ],
  ["a byte order mark", "\ufeffa\nb\n", "@@ -2 +2 @@\n-b\n+c\n", "\ufeffa\nc\n"],
  [
    "lines that look like headers",
    "-- a\n++ b\n@@ c\n",
    "@@ -1,3 +1,3 @@\n--- a\n+-- A\n ++ b\n @@ c\n",
    "-- A\n++ b\n@@ c\n",
  ],
];

for (const [title, text, diff, result] of DIFFS) {
  Deno.test(`applyUnifiedDiff() applies to ${title}`, () =>
    assertStrictEquals(patchLines(text, diff), result));
}

Deno.test("applyUnifiedDiff() applies nothing that does not match exactly", () => {
  const cases: readonly (readonly [string, string, RegExp])[] = [
    [
      NUMBERS.replace("line 6", "line six"),
      CHANGE,
      /^hunk 1 of 1 \(@@ -4,3 \+4,3 @@\): it matches nowhere: it needs "line 6\\n", and line 6 is "line six\\n"$/,
    ],
    ["a\n", CHANGE, /and the world has 1 lines$/],
    ["a\nb", "@@ -2 +2 @@\n-b\n+c\n", /needs "b\\n", and line 2 is "b"$/],
    [
      "a\nb\n",
      "@@ -2 +2 @@\n-b\n\\ No newline at end of file\n+c\n",
      /needs "b", and line 2 is "b\\n"$/,
    ],
    ["a\n", "@@ -1,2 +1,3 @@\n a\n \n+x\n", /matches nowhere/],
    ["a\n", "@@ -1,2 +1,1 @@\n a\n-\n", /matches nowhere/],
    [
      "a\n",
      "@@ -1000000000,0 +1,1 @@\n+x\n",
      /^hunk 1.* it adds lines after line 1000000000, and the world has 1 lines$/,
    ],
    ["a\n", "@@ -2,0 +3,1 @@\n+x\n", /it adds lines after line 2/],
    [
      "x\na\nb\nx\na\nb\n",
      "@@ -1,2 +1,2 @@\n a\n-b\n+c\n",
      /does not match at line 1, and matches at several other lines, 2 and 5/,
    ],
    ["a", "@@ -1,0 +2 @@\n+x\n", /line 1 of the result has no line end$/],
    ["b\na\n", "@@ -1 +1 @@\n-a\n+c\n@@ -2 +2 @@\n-b\n+d\n", /^hunk 2 of 2/],
  ];
  for (const [text, diff, pattern] of cases) {
    const fault = faultOf(text, diff);
    assertStrictEquals(fault.kind, "conflict", diff);
    assertMatch(fault.message, pattern);
  }
});

Deno.test("applyUnifiedDiff() refuses what is not a diff of one text", () => {
  const two = `--- a\n+++ a\n${CHANGE}--- b\n+++ b\n${CHANGE}`;
  const bodies = [
    "",
    "\n",
    "hello",
    "{}",
    "--- a\n+++ b\n",
    two,
    "@@ -1 +1 @@\n",
    "@@ foo @@\n-a\n+b\n",
    "@@ -1,2 +1 @@\n-a\n+b\n",
    "@@ -1 +1 @@\n*a\n",
    "@@ -5 +5 @@\n-a\n+b\n@@ -1 +1 @@\n-a\n+b\n",
    "@@ -1,1 +1,1 @@\n-a\n+b\n+c\n",
  ];
  for (const body of bodies) {
    assertStrictEquals(faultOf("a\n", body).kind, "malformed", JSON.stringify(body));
  }
});

Deno.test("applyUnifiedDiff() takes a diff of MAX_DIFF_LINES lines and not of one more", () => {
  const added = MAX_DIFF_LINES - 2;
  const diff = `@@ -0,0 +1,${added} @@\n${"+\n".repeat(added)}`;
  assertStrictEquals(patchLines("", diff).length, added);
  assertStrictEquals(faultOf("", `${diff}\n`).kind, "too-large");
});

Deno.test("applyUnifiedDiff() turns a text into another with their diff", () => {
  for (let seed = 1; seed <= 400; seed++) {
    const random = createRandom(seed);
    const [a, b] = [randomLines(random), ""];
    const text = a.join("");
    const changed = b + mutate(random, a).join("");
    for (const timeoutMs of [1000, -1]) {
      const diff = createUnifiedDiff({
        oldName: "a",
        newName: "b",
        oldText: text,
        newText: changed,
        timeoutMs,
      });
      if (text === changed) assertStrictEquals(diff, "");
      else {assertStrictEquals(
          patchLines(text, diff),
          changed,
          `seed ${seed}: ${JSON.stringify(text)} ${diff}`,
        );}
    }
  }
});

function randomLines(random: () => number): string[] {
  const size = Math.floor(random() * 30);
  const words = ["a", "b", "", " c", "-d", "+e", "\\ f", "@@ -1 +1 @@", "--- g", "é"];
  const ends = random() < 0.3 ? ["\r\n"] : random() < 0.5 ? ["\n"] : ["\n", "\r\n"];
  const lines = Array.from(
    { length: size },
    () =>
      `${words[Math.floor(random() * words.length)]}${ends[Math.floor(random() * ends.length)]}`,
  );
  // A carriage return at the end of a text is a part of it.
  if (random() < 0.3 && size > 0) lines[size - 1] = random() < 0.5 ? "last" : "last\r";
  return lines;
}

function mutate(random: () => number, lines: readonly string[]): string[] {
  const result = [...lines];
  for (let i = 0; i < 3; i++) {
    const at = Math.floor(random() * (result.length + 1));
    const kind = random();
    if (kind < 0.4) result.splice(at, 1);
    else result.splice(at, kind < 0.7 ? 0 : 1, `new ${i}\n`);
  }
  // Only the last line may have no end.
  return toEndedLines(
    result.map((line, i) => i < result.length - 1 && !line.endsWith("\n") ? `${line}\n` : line)
      .join(""),
  );
}

Deno.test("applyUnifiedDiff() ends diffs that were made to be slow", () => {
  const text = "a\n".repeat(400_000);
  const hunk = (line: number) => `@@ -${line},3 +${line},3 @@\n a\n-b\n+c\n a\n`;
  assertStrictEquals(faultOf(text, hunk(1)).kind, "conflict");
  const block = ` a\n`.repeat(200_000);
  assertStrictEquals(faultOf(text, `@@ -1,200001 +1,200001 @@\n${block}-b\n+c\n`).kind, "conflict");
  // Each hunk is found far from where it is stated, so that each needs a search.
  const marks = Array.from({ length: 2000 }, (_, i) => `mark ${i}\n${"x\n".repeat(i % 7)}`);
  const hunks = marks.map((mark, i) =>
    `@@ -${i + 1} +${i + 1} @@\n-${mark.split("\n", 1)[0]}\n+m\n`
  ).join("");
  const moved = "x\n".repeat(100_000) + marks.join("");
  const outcome = (() => {
    try {
      return patchLines(moved, hunks).length;
    } catch (error) {
      return error instanceof EditFault ? error.kind : String(error);
    }
  })();
  assertStrictEquals(outcome, "too-large");
});
