import { assertEquals } from "../../support/assert.ts";
import { Budget } from "../../../plugins/semantic/budget.ts";

Deno.test("take() allows the limit in any 60 seconds", () => {
  const budget = new Budget(2);
  assertEquals(budget.take(1_000), undefined);
  assertEquals(budget.take(31_000), undefined);
  assertEquals(budget.take(41_000), 20);
  assertEquals(budget.take(60_999), 0.001);
  assertEquals(budget.take(61_000), undefined);
  assertEquals(budget.take(61_000), 30);
});

Deno.test("take() does not count a refused generation", () => {
  const budget = new Budget(1);
  assertEquals(budget.take(0), undefined);
  for (let now = 1; now < 50; now++) budget.take(now);
  assertEquals(budget.take(60_000), undefined);
});

Deno.test("take() refuses everything for 60 seconds if the limit is 0", () => {
  const budget = new Budget(0);
  assertEquals(budget.take(0), 60);
  assertEquals(budget.take(100_000), 60);
});
