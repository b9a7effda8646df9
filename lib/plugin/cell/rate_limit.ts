/**
 * Limits how often a cell may do something per second. Reading a frame costs the server time even
 * if it has no effect, so no kind of frame may be unlimited.
 */

import { ProtocolError } from "../wire/frames.ts";

/**
 * Seconds whose unused numbers are kept. A server that is busy or stopped reads the events of several
 * seconds at once, although none of them exceeded the limit when it was sent.
 */
const KEPT_SECONDS = 10;

/** A counter that is reset every second, or after several for as many seconds. */
export class RateLimit {
  readonly #maxPerSecond: number;
  readonly #what: string;
  readonly #now: () => number;
  #since: number;
  #left: number;

  /**
   * @param maxPerSecond largest number per second
   * @param what what is counted, in the plural, for the message
   * @param now returns the current time in milliseconds
   */
  constructor(maxPerSecond: number, what: string, now: () => number) {
    this.#maxPerSecond = maxPerSecond;
    this.#what = what;
    this.#now = now;
    this.#since = now();
    this.#left = maxPerSecond;
  }

  /**
   * Counts one event.
   *
   * @throws {ProtocolError} the limit of the seconds since the last reset is exceeded
   */
  count(): void {
    const now = this.#now();
    // If the clock is set back, the count must not last until it has caught up.
    if (now < this.#since) this.#since = now - 1000;
    const seconds = Math.floor((now - this.#since) / 1000);
    if (seconds > 0) {
      this.#since += 1000 * seconds;
      this.#left = this.#maxPerSecond * Math.min(seconds, KEPT_SECONDS);
    }
    if (--this.#left < 0) {
      throw new ProtocolError(
        `Cannot accept more than ${this.#maxPerSecond} ${this.#what} per second`,
      );
    }
  }
}
