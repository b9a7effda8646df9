import { equal, rejects } from "node:assert/strict";
import { within } from "../../lib/base/timeout.ts";

Deno.test("within() waits for a promise, and throws what it throws", async () => {
  let done = false;
  await within(60_000, Promise.resolve().then(() => done = true));
  equal(done, true);
  await rejects(within(60_000, Promise.reject(new Error("no"))), /no/);
});

Deno.test("within() gives up on what does not end, and leaves no timer behind", async () => {
  await within(1, new Promise(() => {}));
});
