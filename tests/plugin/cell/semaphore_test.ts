import { assert, assertEquals, assertRejects } from "../../support/assert.ts";
import { Semaphore } from "../../../lib/plugin/cell/semaphore.ts";

const NEVER = new AbortController().signal;

Deno.test("Semaphore.wait() resolves in order as permits are released, and rejects if the queue is full", async () => {
  const slots = new Semaphore(1, 2);
  assert(slots.tryAcquire());
  assert(!slots.tryAcquire());
  const turns: number[] = [];
  const first = slots.wait(NEVER).then(() => turns.push(1));
  const second = slots.wait(NEVER).then(() => turns.push(2));
  await assertRejects(slots.wait(NEVER), RangeError);
  slots.release();
  await first;
  assertEquals(slots.inUse, 1);
  slots.release();
  await second;
  assertEquals(turns, [1, 2]);
  slots.release();
  assertEquals(slots.inUse, 0);
});

Deno.test("Semaphore.wait() rejects and leaves the queue if its signal aborts", async () => {
  const slots = new Semaphore(1, 2);
  slots.tryAcquire();
  const abort = new AbortController();
  const left = slots.wait(abort.signal);
  const stays = slots.wait(NEVER);
  abort.abort();
  await assertRejects(left, { name: "AbortError" });
  assertEquals(slots.waiting, 1);
  slots.release();
  await stays;
});

Deno.test("Semaphore.close() rejects all waiters", async () => {
  const slots = new Semaphore(0, 2);
  const waits = [slots.wait(NEVER), slots.wait(NEVER)];
  slots.close(new Error("over"));
  for (const wait of waits) await assertRejects(wait, /over/);
});
