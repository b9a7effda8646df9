/** The generation budget: at most so many generations in any 60 seconds. Pure; takes the clock. */

const WINDOW_MS = 60_000;

/** A sliding window of generations. */
export class Budget {
  readonly #limit: number;
  #times: number[] = [];

  /** @param limit generations in any 60 seconds; 0 allows none */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /**
   * Takes one generation out of the budget.
   *
   * @param now monotonic time in milliseconds
   * @returns undefined if it was available; otherwise the seconds until the next one is
   */
  take(now: number): number | undefined {
    this.#times = this.#times.filter((time) => now - time < WINDOW_MS);
    if (this.#times.length < this.#limit) {
      this.#times.push(now);
      return undefined;
    }
    const [oldest = now] = this.#times;
    return (WINDOW_MS - (now - oldest)) / 1000;
  }
}
