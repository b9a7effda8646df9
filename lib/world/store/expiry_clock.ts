/**
 * The time with which the store decides what has expired. A step of the computer's clock to a later time
 * must not delete anything: the step counts only after the clock has agreed with it for a day. A
 * step back counts at once, because it only keeps worlds longer. Pure: the caller reads the clocks.
 */

import { TRASH_STEP_MS, TRASH_STEP_TRUST_MS } from "../../limits.ts";

/** The time of one process. */
export class ExpiryClock {
  /** Difference of the two clocks that is trusted, in milliseconds. */
  #offset: number;
  #stepped: { readonly offset: number; readonly since: number } | undefined;

  /**
   * @param now time of the computer's clock at the start, in Unix milliseconds
   * @param monotonic milliseconds of a clock that only moves forward, at the same moment
   */
  constructor(now: number, monotonic: number) {
    this.#offset = now - monotonic;
  }

  /** Returns the time before which what is kept for `keepMs` milliseconds has expired, as a text. */
  before(keepMs: number, now: number, monotonic: number): string {
    // A time before 1970, of a very large setting, can be one that has no text.
    return new Date(Math.max(0, this.read(now, monotonic) - keepMs)).toISOString();
  }

  /** Returns the time that is trusted, in Unix milliseconds; never later than `now`. */
  read(now: number, monotonic: number): number {
    const offset = now - monotonic;
    if (offset - this.#offset < TRASH_STEP_MS) {
      this.#offset = Math.min(offset, this.#offset + TRASH_STEP_MS);
      this.#stepped = undefined;
      return now;
    }
    if (this.#stepped === undefined || Math.abs(offset - this.#stepped.offset) >= TRASH_STEP_MS) {
      this.#stepped = { offset, since: monotonic };
    } else if (monotonic - this.#stepped.since >= TRASH_STEP_TRUST_MS) {
      this.#offset = offset;
      this.#stepped = undefined;
      return now;
    }
    return this.#offset + monotonic;
  }
}
