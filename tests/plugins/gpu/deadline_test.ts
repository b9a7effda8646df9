import { assertEquals, assertRejects } from "../../support/assert.ts";
import { Deadline } from "../../../plugins/gpu/deadline.ts";

const caller = (): AbortSignal => new AbortController().signal;

/** A step that ends with the deadline, as a fetch does. */
function pending({ signal }: Deadline): Promise<never> {
  return new Promise((_, reject) => {
    signal.addEventListener("abort", () => reject(signal.reason), { once: true });
  });
}

Deno.test("Deadline.wait() aborts a step that takes longer than the idle time", async () => {
  const deadline = new Deadline(10, caller());
  await assertRejects(deadline.wait(pending(deadline)), { name: "AbortError" });
  assertEquals([deadline.reason, deadline.exceededSeconds], ["idle", 0.01]);
});

Deno.test("Deadline.wait() returns the result of a step and starts the idle time anew", async () => {
  const deadline = new Deadline(60_000, caller());
  assertEquals(await deadline.wait(Promise.resolve(7)), 7);
  assertEquals(deadline.reason, undefined);
  deadline.abort("done");
});

Deno.test("Deadline aborts a call that takes longer than the maximum", async () => {
  const deadline = new Deadline(60_000, caller(), 10);
  await assertRejects(deadline.wait(pending(deadline)), { name: "AbortError" });
  assertEquals([deadline.reason, deadline.exceededSeconds], ["too-long", 0.01]);
});

Deno.test("Deadline aborts a call whose caller disconnects, or has disconnected before", () => {
  const abort = new AbortController();
  const deadline = new Deadline(60_000, abort.signal);
  abort.abort();
  assertEquals([deadline.reason, deadline.signal.aborted], ["disconnected", true]);
  assertEquals(new Deadline(60_000, abort.signal).reason, "disconnected");
});

Deno.test("Deadline.abort() keeps the first reason", () => {
  const deadline = new Deadline(60_000, caller());
  deadline.abort("done");
  deadline.abort("disconnected");
  assertEquals(deadline.reason, "done");
});

Deno.test("Deadline.release() ignores the caller from then on", () => {
  const abort = new AbortController();
  const deadline = new Deadline(60_000, abort.signal);
  deadline.release();
  abort.abort();
  assertEquals(deadline.signal.aborted, false);
});
