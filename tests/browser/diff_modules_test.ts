/** The pure modules of the comparison of versions. */

import { assert, assertEquals } from "../support/assert.ts";
import { assertLinear } from "../support/growth.ts";
import { countChanges, diffRows } from "../../shell/diff_rows.js";
import { restoreRefusal } from "../../shell/missing_right.js";
import { markWords, similarity } from "../../shell/word_diff.js";
import { createUnifiedDiff } from "../../lib/world/edit/create_diff.ts";

/** Lines of a text by their number, from the rows of a diff; undefined for lines in a gap. */
function textOf(rows: ReturnType<typeof diffRows>, side: "before" | "after") {
  const lines: string[] = [];
  for (const row of rows) {
    const line = row.kind === "gap" ? undefined : row[side];
    if (line !== undefined) lines[line.number - 1] = line.text + (line.isOpen ? "" : "\n");
  }
  return lines;
}

/** @param timeoutMs time for the shortest diff; the default ends only a search that hangs */
function diffOf(oldText: string, newText: string, timeoutMs = 60_000): string {
  return createUnifiedDiff({ oldName: "a", newName: "b", oldText, newText, timeoutMs });
}

Deno.test("diffRows() has each line of a diff at its number, and gaps between them", () => {
  const texts = [
    "",
    "a\n",
    "a",
    "a\nb\nc\n",
    "-x\n+y\n\\ z\n@@ -1 +1 @@\n",
    Array.from({ length: 50 }, (_, at) => `line ${at}\n`).join(""),
    Array.from({ length: 53 }, (_, at) => at % 9 === 0 ? `other ${at}\n` : `line ${at}\n`).join(""),
    "one\r\ntwo\u2028three\r\n",
  ];
  for (const before of texts) {
    for (const after of texts) {
      for (const timeoutMs of [60_000, 0]) {
        const rows = diffRows(diffOf(before, after, timeoutMs));
        for (const [side, text] of [["before", before], ["after", after]] as const) {
          const whole = text.match(/[^\n]*\n|[^\n]+/g) ?? [];
          for (const [at, line] of textOf(rows, side).entries()) {
            if (line !== undefined) assertEquals(line, whole[at]);
          }
        }
        for (const row of rows) {
          if (row.kind !== "gap") continue;
          const [old, young] = [before.split("\n"), after.split("\n")];
          const count = Math.min(row.count, 100);
          const from = old.slice(row.before - 1, row.before - 1 + count);
          assertEquals(from, young.slice(row.after - 1, row.after - 1 + count));
        }
        assertEquals(rows.length > 0, before !== after);
      }
    }
  }
});

Deno.test("diffRows() pairs similar lines and counts what changed", () => {
  const before = "first line here\nsecond line of text\nthird\n";
  const after = "quite another thing\nsecond line of good text\nthird\nfourth\n";
  const rows = diffRows(diffOf(before, after));
  const pair = rows.find((row) => row.kind !== "gap" && row.isPair);
  assert(pair !== undefined && pair.kind !== "gap");
  assertEquals([pair.before?.number, pair.after?.number], [2, 2]);
  assertEquals(countChanges(rows), { removed: 2, added: 3 });
  assertEquals(diffRows(""), []);
});

Deno.test("diffRows() reads changed lines in linear time", () => {
  const lines = (length: number, word: string) =>
    Array.from({ length }, (_, at) => `${at} ${word} text\n`).join("");
  assertLinear((length) => {
    const rows = diffRows(diffOf(lines(length, "old"), lines(length, "new"), 0));
    assertEquals(countChanges(rows), { removed: length, added: length });
  }, 50_000);
});

Deno.test("markWords() marks whole words, and its spans are the whole line", () => {
  const marked = (spans: { text: string; isMarked: boolean }[]) =>
    spans.filter(({ isMarked }) => isMarked).map(({ text }) => text.trim());
  const { before, after } = markWords("const a = foo(bar, 1);", "const b = foo(bar, baz, 12);");
  assertEquals(marked(before), ["a", "1"]);
  assertEquals(marked(after), ["b", ", baz", "12"]);
  const texts = ["", " ", "a b", "ä € 𝄞 x", "  a  b  ", "a".repeat(25_000), "x y ".repeat(7000)];
  for (const one of texts) {
    for (const other of texts) {
      const { before: old, after: young } = markWords(one, other);
      assertEquals(old.map(({ text }) => text).join(""), one);
      assertEquals(young.map(({ text }) => text).join(""), other);
      if (one === other) assertEquals([...marked(old), ...marked(young)], []);
    }
  }
  assertEquals(similarity("one two", "one two"), 1);
  assertEquals(similarity("one two", "three"), 0);
});

Deno.test("restoreRefusal() accepts T3, and capabilities of mode rwd by whole segments", () => {
  const may = (caller: Parameters<typeof restoreRefusal>[0], name: string) =>
    restoreRefusal(caller, name) === undefined;
  assertEquals(may({ tier: "T3" }, "etc/x"), true);
  assertEquals(may({ tier: "T2" }, "home/x"), false);
  const caller = { tier: "T2", prefix: "/home/team", mode: "rwd" };
  assertEquals(may(caller, "home/team/x"), true);
  assertEquals(may(caller, "home/teams/x"), false);
  assertEquals(may({ ...caller, mode: "rw" }, "home/team/x"), false);
});
