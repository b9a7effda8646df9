/**
 * Places for requests: so many at once, so many more in a line, and no further. First come, first
 * served; who leaves the line is forgotten.
 */

/** See the module. */
export class Semaphore {
  readonly #most: number;
  readonly #mostWaiting: number;
  readonly #line = new Set<{ resolve: () => void; reject: (error: Error) => void }>();
  #taken = 0;

  /**
   * @param most places
   * @param mostWaiting places in the line
   */
  constructor(most: number, mostWaiting: number) {
    this.#most = most;
    this.#mostWaiting = mostWaiting;
  }

  /** Places taken. */
  get inUse(): number {
    return this.#taken;
  }

  /** Requests in the line. */
  get waiting(): number {
    return this.#line.size;
  }

  /** Takes a place if one is free. */
  tryAcquire(): boolean {
    if (this.#taken >= this.#most) return false;
    this.#taken++;
    return true;
  }

  /**
   * Waits for a place and takes it. The signal's abort leaves the line.
   *
   * @throws {RangeError} the line is full
   */
  async wait(signal: AbortSignal): Promise<void> {
    if (this.#line.size >= this.#mostWaiting) throw new RangeError("The line is full");
    signal.throwIfAborted();
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const entry = { resolve, reject };
    this.#line.add(entry);
    const leave = (): void => {
      if (this.#line.delete(entry)) reject(signal.reason);
    };
    signal.addEventListener("abort", leave, { once: true });
    try {
      await promise;
    } finally {
      signal.removeEventListener("abort", leave);
    }
  }

  /** Gives a place back, to the first in the line if there is one. */
  release(): void {
    const [first] = this.#line;
    if (first) {
      this.#line.delete(first);
      first.resolve();
    } else {
      this.#taken--;
    }
  }

  /** Sends the whole line away with `error`. */
  close(error: Error): void {
    const line = [...this.#line];
    this.#line.clear();
    for (const { reject } of line) reject(error);
  }
}
