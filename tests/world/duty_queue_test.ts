import { assertEquals } from "../support/assert.ts";
import { DutyQueue } from "../../lib/world/duty_queue.ts";

function createCandidate(name: string, calls: string[]) {
  return {
    onHeld: () => void calls.push(`${name} held`),
    onLost: () => void calls.push(`${name} lost`),
  };
}

Deno.test("DutyQueue gives the duty to the first candidate while the server has it", () => {
  const calls: string[] = [];
  const queue = new DutyQueue();
  const [a, b] = [createCandidate("a", calls), createCandidate("b", calls)];
  queue.add(a);
  queue.add(b);
  assertEquals(calls, []);
  queue.set(true);
  queue.set(true);
  assertEquals([queue.has(a), queue.has(b)], [true, false]);
  queue.set(false);
  assertEquals([queue.has(a), queue.isHeld], [false, false]);
  queue.set(true);
  assertEquals(calls, ["a held", "a lost", "a held"]);
});

Deno.test("DutyQueue gives the duty to the next candidate without a call of the one that left", () => {
  const calls: string[] = [];
  const queue = new DutyQueue();
  const [a, b] = [createCandidate("a", calls), createCandidate("b", calls)];
  queue.set(true);
  queue.add(a);
  queue.add(b);
  queue.remove(a);
  queue.remove(a);
  assertEquals([calls, queue.size, queue.has(b)], [["a held", "b held"], 1, true]);
  queue.remove(b);
  assertEquals([calls.length, queue.size], [2, 0]);
});
