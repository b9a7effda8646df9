/** Tests of the budget of an edit and of quoted texts. */
import { assertNotThrows, assertStrictEquals, assertThrows } from "../../support/assert.ts";
import { MAX_EDIT_STEPS } from "../../../lib/limits.ts";
import { EditBudget, quoteText } from "../../../lib/world/edit/edit_fault.ts";

Deno.test("EditBudget allows MAX_EDIT_STEPS and not one more", () => {
  const budget = new EditBudget();
  assertNotThrows(() => budget.spend(MAX_EDIT_STEPS));
  assertThrows(() => budget.spend(1), { name: "EditFault", kind: "too-large" });
});

Deno.test("quoteText() shortens a text and shows no control characters", () => {
  assertStrictEquals(quoteText('a"b\n'), '"a\\"b\\n"');
  assertStrictEquals(quoteText("a\u001b[31m\u202eb"), '"a?[31m?b"');
  assertStrictEquals(quoteText("x".repeat(100)).length, 63);
});
