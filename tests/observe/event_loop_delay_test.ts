import { assert, assertEquals } from "../support/assert.ts";
import { DELAY_BOUNDS_SECONDS, EventLoopDelay } from "../../lib/observe/event_loop_delay.ts";

Deno.test("EventLoopDelay.observe() counts a delay in its bucket", () => {
  const delay = new EventLoopDelay();
  for (const ms of [-1, 0.5, 1, 30, 60_000]) delay.observe(ms);
  const { buckets, seconds } = delay.delays();
  assertEquals(buckets, [3, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1]);
  assertEquals(buckets.length, DELAY_BOUNDS_SECONDS.length + 1);
  assert(Math.abs(seconds - 60.0315) < 1e-9, `${seconds}`);
});

Deno.test("EventLoopDelay measures until it is stopped", async () => {
  const delay = new EventLoopDelay(1);
  const count = () => delay.delays().buckets.reduce((sum, value) => sum + value, 0);
  delay.start();
  while (count() < 3) await new Promise((resolve) => setTimeout(resolve, 1));
  delay.stop();
  assert(count() >= 3);
});
