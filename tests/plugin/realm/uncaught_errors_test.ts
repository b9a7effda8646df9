import { AsyncLocalStorage } from "node:async_hooks";
import { assertEquals, assertStrictEquals } from "../../support/assert.ts";
import { createUncaughtErrors } from "../../../lib/plugin/realm/uncaught_errors.ts";

Deno.test("createUncaughtErrors() finds the request of code, also after it waited", async () => {
  const uncaught = createUncaughtErrors(new AsyncLocalStorage<number>(), () => {});
  assertEquals(uncaught.currentRequest(), 0);
  const found = await Promise.all([7, 8].map((id) =>
    uncaught.run(id, async () => {
      await Promise.resolve();
      return uncaught.currentRequest();
    })
  ));
  assertEquals(found, [7, 8]);
});

Deno.test("UncaughtErrors.bindTimer() reports an error of a callback for its request", () => {
  const seen: [number, unknown][] = [];
  const context = new AsyncLocalStorage<number>();
  const uncaught = createUncaughtErrors(context, (id, error) => void seen.push([id, error]));
  const failure = new Error("failed");
  const fail = () => {
    throw failure;
  };
  assertStrictEquals(uncaught.bindTimer(fail), fail);
  uncaught.run(7, () => uncaught.bindTimer(fail))();
  assertEquals(seen, [[7, failure]]);
  assertEquals(uncaught.run(7, () => uncaught.bindTimer((value) => value))(3), 3);
});
