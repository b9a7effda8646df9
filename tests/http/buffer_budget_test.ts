import { assertEquals } from "../support/assert.ts";
import { BufferBudget, type BufferedReader } from "../../lib/http/buffer_budget.ts";

/** A reader that releases its buffers when it is disconnected, as a stream does. */
function createReader(budget: BufferBudget): BufferedReader & {
  hold(buffer: object, length: number): void;
  isConnected: boolean;
} {
  const held: [object, number][] = [];
  const reader = {
    isConnected: true,
    hold(buffer: object, length: number) {
      held.push([buffer, length]);
      budget.hold(reader, buffer, length);
    },
    disconnect() {
      reader.isConnected = false;
      for (const [buffer, length] of held.splice(0)) budget.release(buffer, length);
      budget.took(reader, false);
    },
  };
  return reader;
}

Deno.test("BufferBudget counts a buffer once, however many readers hold it", () => {
  const budget = new BufferBudget(100);
  const buffer = {};
  const readers = Array.from({ length: 50 }, () => createReader(budget));
  for (const reader of readers) reader.hold(buffer, 100);
  assertEquals([budget.bytes, budget.disconnected], [100, 0]);
  for (const reader of readers) reader.disconnect();
  assertEquals(budget.bytes, 0);
});

Deno.test("BufferBudget keeps all readers at the limit, and disconnects the slowest one byte later", () => {
  const budget = new BufferBudget(100);
  const [first, second, third] = [1, 2, 3].map(() => createReader(budget));
  first?.hold({}, 50);
  second?.hold({}, 50);
  if (first !== undefined) budget.took(first, true); // it made progress, so `second` is slower
  assertEquals(budget.disconnected, 0);
  third?.hold({}, 1);
  assertEquals([first, second, third].map((reader) => reader?.isConnected), [true, false, true]);
  assertEquals([budget.bytes, budget.disconnected], [51, 1]);
});

Deno.test("BufferBudget keeps a reader whose one buffer is larger than the limit", () => {
  const budget = new BufferBudget(100);
  const [small, large] = [createReader(budget), createReader(budget)];
  small.hold({}, 10);
  large.hold({}, 1000);
  assertEquals([small.isConnected, large.isConnected, budget.bytes], [false, true, 1000]);
});
