import { assertEquals } from "../support/assert.ts";
import { TimeSlices } from "../../lib/base/time_slices.ts";

const nextTurn = () => new Promise((resolve) => setImmediate(resolve));

Deno.test("TimeSlices: all work together gets one slice in a turn of the event loop", async () => {
  let now = 0;
  const slices = new TimeSlices(5, () => now);
  assertEquals(slices.isOver, false);
  now = 4;
  assertEquals(slices.isOver, false);
  now = 5;
  assertEquals(slices.isOver, true);
  await nextTurn();
  assertEquals(slices.isOver, false);
  await nextTurn();
});

Deno.test("TimeSlices: requests that wait get their slices one after another, in order", async () => {
  let now = 0;
  const slices = new TimeSlices(5, () => now);
  const order: string[] = [];
  async function work(name: string): Promise<void> {
    for (let step = 0; step < 3; step++) {
      order.push(`${name}${step}`);
      now += 6;
      if (slices.isOver) await slices.next();
    }
  }
  const other = (async () => {
    for (let i = 0; i < 3; i++) {
      await nextTurn();
      order.push("other");
    }
  })();
  assertEquals(slices.isOver, false);
  await Promise.all([work("a"), work("b"), other]);
  const done = order.filter((name) => name !== "other");
  assertEquals(done, ["a0", "b0", "a1", "b1", "a2", "b2"]);
  // Another request has a turn before the work is done.
  assertEquals(order.indexOf("other") < order.indexOf("a2"), true);
});
