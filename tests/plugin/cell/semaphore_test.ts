import assert from "node:assert/strict";
import { Slots } from "../../../lib/plugin/cell/semaphore.ts";

const NEVER = new AbortController().signal;

Deno.test("Slots gives so many places and serves the line in order", async () => {
  const slots = new Slots(1, 2);
  assert.ok(slots.take());
  assert.ok(!slots.take());
  const turns: number[] = [];
  const first = slots.wait(NEVER).then(() => turns.push(1));
  const second = slots.wait(NEVER).then(() => turns.push(2));
  await assert.rejects(slots.wait(NEVER), RangeError);
  slots.release();
  await first;
  assert.equal(slots.taken, 1);
  slots.release();
  await second;
  assert.deepEqual(turns, [1, 2]);
  slots.release();
  assert.equal(slots.taken, 0);
});

Deno.test("Slots forgets who leaves the line", async () => {
  const slots = new Slots(1, 2);
  slots.take();
  const abort = new AbortController();
  const left = slots.wait(abort.signal);
  const stays = slots.wait(NEVER);
  abort.abort();
  await assert.rejects(left, { name: "AbortError" });
  assert.equal(slots.waiting, 1);
  slots.release();
  await stays;
});

Deno.test("Slots.close() sends the whole line away", async () => {
  const slots = new Slots(0, 2);
  const waits = [slots.wait(NEVER), slots.wait(NEVER)];
  slots.close(new Error("over"));
  for (const wait of waits) await assert.rejects(wait, /over/);
});
