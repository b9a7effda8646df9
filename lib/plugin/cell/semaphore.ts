/**
 * A counting semaphore with a bounded queue, first in first out. A waiter whose signal aborts
 * leaves the queue.
 */

/** A semaphore. */
export class Semaphore {
  readonly #permits: number;
  readonly #maxWaiting: number;
  readonly #queue = new Set<{ resolve: () => void; reject: (error: Error) => void }>();
  #inUse = 0;

  /**
   * @param permits number of permits
   * @param maxWaiting longest queue
   */
  constructor(permits: number, maxWaiting: number) {
    this.#permits = permits;
    this.#maxWaiting = maxWaiting;
  }

  /** Number of permits in use. */
  get inUse(): number {
    return this.#inUse;
  }

  /** Number of waiters in the queue. */
  get waiting(): number {
    return this.#queue.size;
  }

  /** Takes a permit if one is free. Returns whether it did. */
  tryAcquire(): boolean {
    if (this.#inUse >= this.#permits) return false;
    this.#inUse++;
    return true;
  }

  /**
   * Waits in the queue for a permit and takes it. Rejects with the signal's reason if it aborts.
   *
   * @throws {RangeError} the queue is full
   */
  async wait(signal: AbortSignal): Promise<void> {
    if (this.#queue.size >= this.#maxWaiting) {
      throw new RangeError("Cannot wait: the queue is full");
    }
    signal.throwIfAborted();
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const entry = { resolve, reject };
    this.#queue.add(entry);
    const leave = (): void => {
      if (this.#queue.delete(entry)) reject(signal.reason);
    };
    signal.addEventListener("abort", leave, { once: true });
    try {
      await promise;
    } finally {
      signal.removeEventListener("abort", leave);
    }
  }

  /** Returns a permit. The first waiter of the queue gets it, if there is one. */
  release(): void {
    const [first] = this.#queue;
    if (first) {
      this.#queue.delete(first);
      first.resolve();
    } else {
      this.#inUse--;
    }
  }

  /** Rejects all waiters with `error`. */
  close(error: Error): void {
    const queue = [...this.#queue];
    this.#queue.clear();
    for (const { reject } of queue) reject(error);
  }
}
