/**
 * Counts what a cell does in a second and breaks with it past a bound. Reading what a cell sends costs
 * the server something even where it comes to nothing, so nothing of it may be without end.
 */

import { ProtocolError } from "../wire/frames.ts";

/** See the module. */
export class RateLimit {
  readonly #most: number;
  readonly #what: string;
  readonly #now: () => number;
  #since = 0;
  #count = 0;

  /**
   * @param most how many pass in one second
   * @param what they are, for the message
   * @param now milliseconds
   */
  constructor(most: number, what: string, now: () => number) {
    this.#most = most;
    this.#what = what;
    this.#now = now;
  }

  /**
   * Counts one.
   *
   * @throws {ProtocolError} there were more in this second than may be
   */
  count(): void {
    const now = this.#now();
    if (now - this.#since >= 1000) {
      this.#since = now;
      this.#count = 0;
    }
    if (++this.#count > this.#most) throw new ProtocolError(`Cannot take so many ${this.#what}`);
  }
}
