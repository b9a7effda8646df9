import { equal, rejects } from "node:assert/strict";
import { withTimeout } from "../../lib/base/timeout.ts";

Deno.test("isInside() waits for a promise, and throws what it throws", async () => {
  let done = false;
  await withTimeout(60_000, Promise.resolve().then(() => done = true));
  equal(done, true);
  await rejects(withTimeout(60_000, Promise.reject(new Error("no"))), /no/);
});

Deno.test("isInside() gives up on what does not end, and leaves no timer behind", async () => {
  await withTimeout(1, new Promise(() => {}));
});
