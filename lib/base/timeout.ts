/** Waiting with a time limit, for shutdown code that must not wait for a slow client or process. */

/**
 * Waits until a promise settles or a time has passed. The promise itself is not cancelled, and its
 * later result is ignored.
 *
 * @param ms maximum wait in milliseconds
 * @param promise what to wait for
 * @throws the reason of the promise if it rejects in time
 *
 * @example
 * ```ts
 * import { rejects } from "node:assert/strict";
 * import { withTimeout } from "./timeout.ts";
 *
 * await withTimeout(1, new Promise(() => {})); // returns after a millisecond
 * await rejects(withTimeout(1000, Promise.reject(new Error("failed"))), /failed/);
 * ```
 */
export async function withTimeout(ms: number, promise: Promise<unknown>): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const timeout = new Promise<void>((resolve) => timer = setTimeout(resolve, ms));
  try {
    await Promise.race([promise, timeout]);
  } finally {
    clearTimeout(timer);
  }
}
