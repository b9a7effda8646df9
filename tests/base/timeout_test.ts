import { withTimeout } from "../../lib/base/timeout.ts";
import { assert, assertEquals, assertRejects } from "../support/assert.ts";

Deno.test("withTimeout() waits for a promise and throws its reason", async () => {
  let done = false;
  await withTimeout(60_000, Promise.resolve().then(() => done = true));
  assertEquals(done, true);
  await assertRejects(withTimeout(60_000, Promise.reject(new Error("no"))), /no/);
});

Deno.test("withTimeout() returns after its time, and leaves no timer behind", async () => {
  const start = performance.now();
  assertEquals(await withTimeout(20, new Promise(() => {})), undefined);
  const elapsed = performance.now() - start;
  assert(elapsed >= 19, `it returned after ${elapsed} ms`);
});
