/**
 * Divides long work of several requests into slices, so that it never occupies the thread for long.
 * In one turn of the event loop, all work together gets one slice; then other requests have a turn.
 * The requests that wait get their slices one after another.
 */

/** The slices of one kind of work. */
export class TimeSlices {
  readonly #sliceMs: number;
  readonly #now: () => number;
  readonly #waiting: (() => void)[] = [];
  #endsAt = 0;
  #hasTurn = false;

  /**
   * @param sliceMs length of a slice in milliseconds
   * @param now monotonic time in milliseconds
   */
  constructor(sliceMs: number, now: () => number = () => performance.now()) {
    this.#sliceMs = sliceMs;
    this.#now = now;
  }

  /** Whether the work must wait for its {@link next} slice. Cheap enough for a loop. */
  get isOver(): boolean {
    if (this.#hasTurn) return this.#now() >= this.#endsAt;
    this.#startTurn();
    return false;
  }

  /** Waits for the next slice. */
  next(): Promise<void> {
    if (!this.#hasTurn) this.#startTurn();
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  #startTurn(): void {
    this.#hasTurn = true;
    this.#endsAt = this.#now() + this.#sliceMs;
    // Not a microtask: those run before the runtime accepts other requests.
    setImmediate(() => {
      this.#hasTurn = false;
      const first = this.#waiting.shift();
      if (first === undefined) return;
      this.#startTurn();
      first();
    });
  }
}
