/** Tests of the diff of two versions. */
import { assertMatch, assertStrictEquals } from "../../support/assert.ts";
import { createUnifiedDiff } from "../../../lib/world/edit/create_diff.ts";
import { EditBudget } from "../../../lib/world/edit/edit_fault.ts";
import { applyUnifiedDiff } from "../../../lib/world/edit/unified_diff.ts";

const NAMES = { oldName: "a/home/x", newName: "b/home/x" };

Deno.test("createUnifiedDiff() has the form of diff -u", () => {
  const oldText = "1\n2\n3\n4\n5\n6\n7\n8\n9\n";
  const diff = createUnifiedDiff({
    ...NAMES,
    oldText,
    newText: oldText.replace("5", "five"),
    timeoutMs: 600_000,
  });
  assertStrictEquals(
    diff,
    "--- a/home/x\n+++ b/home/x\n@@ -2,7 +2,7 @@\n 2\n 3\n 4\n-5\n+five\n 6\n 7\n 8\n",
  );
});

Deno.test("createUnifiedDiff() is empty for equal texts and marks a missing line end", () => {
  assertStrictEquals(
    createUnifiedDiff({ ...NAMES, oldText: "a", newText: "a", timeoutMs: 600_000 }),
    "",
  );
  assertMatch(
    createUnifiedDiff({ ...NAMES, oldText: "a\n", newText: "a", timeoutMs: 600_000 }),
    /\n-a\n\+a\n\\ No newline at end of file\n$/,
  );
});

Deno.test("createUnifiedDiff() ends at its time limit with a diff that applies", () => {
  const lines = (mark: string) =>
    Array.from({ length: 30_000 }, (_, i) => `${mark} ${(i * 7919) % 30_011}\n`);
  const oldText = `same\n${lines("a").join("")}end\n`;
  const newText = `same\n${lines("b").join("")}end\n`;
  const diff = createUnifiedDiff({ ...NAMES, oldText, newText, timeoutMs: 100 });
  assertStrictEquals(applyUnifiedDiff(oldText, diff, new EditBudget()), newText);
});
