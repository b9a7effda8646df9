import { assertEquals, assertStrictEquals, assertThrows } from "../support/assert.ts";
import { currentWriteChecks, withWriteChecks, WriteChecks } from "../../lib/world/write_checks.ts";

Deno.test("WriteChecks.run() repeats a check only if what it depends on has changed", () => {
  const checks = new WriteChecks();
  let version = 1;
  let runs = 0;
  checks.add(() => version, () => void runs++);
  checks.run();
  assertStrictEquals(runs, 0);
  version = 2;
  checks.run();
  checks.run();
  assertStrictEquals(runs, 1);
  checks.add(() => version, () => {
    throw new Error("locked now");
  });
  checks.run();
  version = 3;
  assertThrows(() => checks.run(), /locked now/);
  // A check that failed is made again.
  assertThrows(() => checks.run(), /locked now/);
  checks.clear();
  checks.run();
  assertStrictEquals(runs, 2);
});

Deno.test("currentWriteChecks() returns the checks of the running request until it ends", async () => {
  assertEquals(currentWriteChecks(), undefined);
  const checks = new WriteChecks();
  await withWriteChecks(checks, async () => {
    await Promise.resolve();
    assertStrictEquals(currentWriteChecks(), checks);
    withWriteChecks(
      new WriteChecks(),
      () => assertStrictEquals(currentWriteChecks() === checks, false),
    );
    checks.end();
    assertEquals(currentWriteChecks(), undefined);
  });
});

Deno.test("WriteChecks.hasEffect says that the request must not run a second time", () => {
  const checks = new WriteChecks();
  assertStrictEquals(checks.hasEffect, false);
  checks.recordEffect();
  checks.clear();
  assertStrictEquals(checks.hasEffect, true);
});
