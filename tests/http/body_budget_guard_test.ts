import { assertEquals, assertRejects } from "../support/assert.ts";
import { BodyBudget, guardBody } from "../../lib/http/body_budget.ts";

function createBudget(clock: { now: number }) {
  const limits = { maxBytes: 10, timeoutMs: 1000, minBytesPerSecond: 1 };
  return new BodyBudget({ ...limits, now: () => clock.now });
}

Deno.test("guardBody() passes the body on without using the memory of the budget", async () => {
  const budget = createBudget({ now: 0 });
  const body = new Response(new Uint8Array(1000)).body;
  const guarded = guardBody(body ?? new ReadableStream(), false, budget.open(), () => {});
  assertEquals((await new Response(guarded).bytes()).length, 1000);
  assertEquals(budget.counts(), { bytes: 0, refused: 0, timedOut: 0, shortChunks: 0 });
});

Deno.test("guardBody() fails if the client is too slow, also after the receipt was closed", async () => {
  const clock = { now: 0 };
  const budget = createBudget(clock);
  const failures: string[] = [];
  const receipt = budget.open();
  const guarded = guardBody(
    new ReadableStream(),
    false,
    receipt,
    (problem) => failures.push(problem.type),
  );
  receipt.close();
  const rejected = assertRejects(new Response(guarded).bytes());
  await new Promise((resolve) => setTimeout(resolve, 0));
  clock.now = 1000;
  budget.check();
  await rejected;
  assertEquals(failures, ["request-timeout"]);
});

Deno.test("guardBody() reports a client that disconnects as bad-body", async () => {
  const failures: string[] = [];
  const source = new ReadableStream<Uint8Array>({
    pull: (controller) => controller.error(new Error("connection reset")),
  });
  const guarded = guardBody(
    source,
    false,
    createBudget({ now: 0 }).open(),
    (problem) => failures.push(problem.type),
  );
  await assertRejects(new Response(guarded).bytes());
  assertEquals(failures, ["bad-body"]);
});
