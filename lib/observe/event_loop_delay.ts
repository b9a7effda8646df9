/**
 * Measures the delay of the event loop: how late a timer fires because other work runs on the
 * thread. A long delay means that every request waits.
 */

import { EVENT_LOOP_CHECK_MS } from "../limits.ts";

/** Upper bounds of the histogram's buckets in seconds; one more bucket has no bound. */
export const DELAY_BOUNDS_SECONDS: readonly number[] = [
  0.001,
  0.005,
  0.01,
  0.025,
  0.05,
  0.1,
  0.25,
  0.5,
  1,
  5,
];

/** The delays since the start. */
export class EventLoopDelay {
  readonly #buckets = new Float64Array(DELAY_BOUNDS_SECONDS.length + 1);
  readonly #intervalMs: number;
  #seconds = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** @param intervalMs interval between two measurements in milliseconds */
  constructor(intervalMs = EVENT_LOOP_CHECK_MS) {
    this.#intervalMs = intervalMs;
  }

  /** Starts the measurement. */
  start(): void {
    const expected = performance.now() + this.#intervalMs;
    this.#timer = setTimeout(() => {
      this.observe(performance.now() - expected);
      this.start();
    }, this.#intervalMs);
  }

  /** Records a delay in milliseconds. */
  observe(ms: number): void {
    const seconds = Math.max(0, ms) / 1000;
    let at = 0;
    while (at < DELAY_BOUNDS_SECONDS.length && seconds > (DELAY_BOUNDS_SECONDS[at] ?? 0)) at++;
    this.#buckets[at] = (this.#buckets[at] ?? 0) + 1;
    this.#seconds += seconds;
  }

  /** The delays: observations per bucket, not cumulative, and the sum in seconds. */
  delays(): { readonly buckets: readonly number[]; readonly seconds: number } {
    return { buckets: [...this.#buckets], seconds: this.#seconds };
  }

  /** Ends the measurement. */
  stop(): void {
    clearTimeout(this.#timer);
  }
}
