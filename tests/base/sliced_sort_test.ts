import { assert, assertEquals } from "../support/assert.ts";
import { sortInSlices } from "../../lib/base/sliced_sort.ts";
import { TimeSlices } from "../../lib/base/time_slices.ts";
import { createRandom } from "../support/random.ts";

Deno.test("sortInSlices() agrees with a stable sort, for every length", async () => {
  const random = createRandom(14);
  for (const length of [0, 1, 2, 1023, 1024, 1025, 5000]) {
    const items = Array.from({ length }, (_, at) => ({ key: Math.floor(random() * 50), at }));
    const before = [...items];
    const sorted = await sortInSlices(items, (a, b) => a.key - b.key, new TimeSlices(1000));
    assertEquals(items, before);
    assertEquals(sorted, before.sort((a, b) => a.key - b.key || a.at - b.at));
  }
});

Deno.test("sortInSlices() gives other work a turn when its slice is over", async () => {
  let turns = 0;
  const slices = new TimeSlices(0);
  const next = slices.next.bind(slices);
  slices.next = () => {
    turns++;
    return next();
  };
  const items = Array.from({ length: 4096 }, (_, at) => -at);
  assertEquals((await sortInSlices(items, (a, b) => a - b, slices))[0], -4095);
  assert(turns >= 4, `${turns} turns`);
});
