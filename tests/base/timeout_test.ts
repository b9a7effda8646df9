import { equal, rejects } from "node:assert/strict";
import { withTimeout } from "../../lib/base/timeout.ts";

Deno.test("withTimeout() waits for a promise and throws its reason", async () => {
  let done = false;
  await withTimeout(60_000, Promise.resolve().then(() => done = true));
  equal(done, true);
  await rejects(withTimeout(60_000, Promise.reject(new Error("no"))), /no/);
});

Deno.test("withTimeout() stops waiting after the time limit and clears its timer", async () => {
  await withTimeout(1, new Promise(() => {}));
});
