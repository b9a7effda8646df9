/**
 * Limits how often a cell may do something per second. Reading a frame costs the server time even
 * if it has no effect, so no kind of frame may be unlimited.
 */

import { ProtocolError } from "../wire/frames.ts";

/** A counter that is reset every second. */
export class RateLimit {
  readonly #maxPerSecond: number;
  readonly #what: string;
  readonly #now: () => number;
  #since = 0;
  #count = 0;

  /**
   * @param maxPerSecond largest number per second
   * @param what what is counted, in the plural, for the message
   * @param now returns the current time in milliseconds
   */
  constructor(maxPerSecond: number, what: string, now: () => number) {
    this.#maxPerSecond = maxPerSecond;
    this.#what = what;
    this.#now = now;
  }

  /**
   * Counts one event.
   *
   * @throws {ProtocolError} the limit of this second is exceeded
   */
  count(): void {
    const now = this.#now();
    if (now - this.#since >= 1000) {
      this.#since = now;
      this.#count = 0;
    }
    if (++this.#count > this.#maxPerSecond) {
      throw new ProtocolError(
        `Cannot accept more than ${this.#maxPerSecond} ${this.#what} per second`,
      );
    }
  }
}
