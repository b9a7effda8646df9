import { assert, assertEquals } from "../support/assert.ts";
import { createMonotonicClock } from "../../lib/base/monotonic_clock.ts";

Deno.test("createMonotonicClock() begins at the wall clock and ignores its later steps", () => {
  let [wall, elapsed] = [1_000_000, 7];
  const now = createMonotonicClock(() => wall, () => elapsed);
  assertEquals(now(), 1_000_000);
  for (const step of [-3_600_000, 3_600_000, -1]) {
    wall += step;
    const before = now();
    elapsed += 50;
    assertEquals(now() - before, 50);
  }
});

Deno.test("createMonotonicClock() uses the clocks of the runtime by default", () => {
  const now = createMonotonicClock();
  assert(Math.abs(now() - Date.now()) < 10_000);
});
