/**
 * Decides when a failed cell may be started again: at once after the first failure, and after a
 * pause that doubles with each further one. After `maxCrashes` failures in a row the circuit is
 * open: there is one attempt per `maxBackoffMs`. A start that the system refused, for example without
 * free file descriptors, is not a failure of the plugin; it only causes a short pause. Pure, except for
 * the clock that is passed in; it must not set timers.
 */

/** Count of failures in a row, and the pause that follows. */
export class Backoff {
  readonly #limits: BackoffLimits;
  readonly #now: () => number;
  #failures = 0;
  #notBefore = 0;
  #isRefused = false;

  /** @param now milliseconds of a monotonic clock */
  constructor(limits: BackoffLimits, now: () => number) {
    this.#limits = limits;
    this.#now = now;
  }

  /** Failures in a row. */
  get failures(): number {
    return this.#failures;
  }

  /** Whether the circuit is open. */
  get isCircuitOpen(): boolean {
    return this.#failures >= this.#limits.maxCrashes;
  }

  /** Whether the last start was refused by the system. */
  get isRefused(): boolean {
    return this.#isRefused;
  }

  /** Returns the milliseconds until the next attempt; 0 if it may be made now. */
  waitMs(): number {
    return Math.max(0, this.#notBefore - this.#now());
  }

  /**
   * Counts a failure. A run that lasted longer than `maxBackoffMs` resets the count first.
   *
   * @param startedAt start of the failed run by the same clock
   * @returns whether this failure opened the circuit
   */
  recordFailure(startedAt: number): boolean {
    const { backoffMs, maxBackoffMs, maxCrashes } = this.#limits;
    const now = this.#now();
    if (now - startedAt > maxBackoffMs) this.#failures = 0;
    this.#failures++;
    this.#isRefused = false;
    const pause = this.#failures === 1 ? 0 : backoffMs * 2 ** Math.min(this.#failures - 2, 30);
    this.#notBefore = now + (this.isCircuitOpen ? maxBackoffMs : Math.min(pause, maxBackoffMs));
    return this.#failures === maxCrashes;
  }

  /** Records that the system refused a start; the count of failures stays the same. */
  recordRefusal(pauseMs: number): void {
    this.#isRefused = true;
    this.#notBefore = this.#now() + pauseMs;
  }

  /** Resets the count and the pause. */
  reset(): void {
    this.#failures = 0;
    this.#notBefore = 0;
    this.#isRefused = false;
  }
}

interface BackoffLimits {
  readonly backoffMs: number;
  readonly maxBackoffMs: number;
  readonly maxCrashes: number;
}
