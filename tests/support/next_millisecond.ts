import { setTimeout as delay } from "node:timers/promises";

/**
 * Waits until the clock has another millisecond, so that what is recorded before and after has two times.
 * Rows with one time have another order.
 */
export async function nextMillisecond(): Promise<void> {
  const now = Date.now();
  while (Date.now() === now) await delay(1);
}
