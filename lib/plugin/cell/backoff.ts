/**
 * When a cell that failed may be started again: at once after the first failure, later and later
 * after each further one, and hardly ever once a circuit is open. Pure but for the clock it is given.
 */

/** See the module. */
export class Backoff {
  readonly #limits: Bounds;
  readonly #now: () => number;
  #failures = 0;
  #notBefore = 0;

  /** @param now Unix milliseconds */
  constructor(limits: Bounds, now: () => number) {
    this.#limits = limits;
    this.#now = now;
  }

  /** Failures in a row. */
  get failures(): number {
    return this.#failures;
  }

  /** So many that the circuit is open: one attempt each `maxBackoffMs`. */
  get isCircuitOpen(): boolean {
    return this.#failures >= this.#limits.maxCrashes;
  }

  /** Milliseconds until the next attempt; 0 when it may be made now. */
  waitMs(): number {
    return Math.max(0, this.#notBefore - this.#now());
  }

  /**
   * Counts a failure. A run that lasted longer than the longest pause begins a new row.
   *
   * @param startedAt when the failed run began
   * @returns whether this failure opened the circuit
   */
  recordFailure(startedAt: number): boolean {
    const { backoffMs, maxBackoffMs, maxCrashes } = this.#limits;
    const now = this.#now();
    if (now - startedAt > maxBackoffMs) this.#failures = 0;
    this.#failures++;
    const pause = this.#failures === 1 ? 0 : backoffMs * 2 ** Math.min(this.#failures - 2, 30);
    this.#notBefore = now + (this.isCircuitOpen ? maxBackoffMs : Math.min(pause, maxBackoffMs));
    return this.#failures === maxCrashes;
  }

  /** Forgets every failure. */
  reset(): void {
    this.#failures = 0;
    this.#notBefore = 0;
  }
}

interface Bounds {
  readonly backoffMs: number;
  readonly maxBackoffMs: number;
  readonly maxCrashes: number;
}
