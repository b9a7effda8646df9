/**
 * Limits how often lines of one kind are written. Clients decide how often such lines are due, so
 * without a limit they could fill the disk of the log. Lines beyond the limit are counted, and the
 * count is added to the next line of the kind.
 */

/** Kinds that are counted separately; further kinds share one count. */
const MAX_KINDS = 64;

interface KindState {
  /** Lines that can be written now. */
  tokens: number;
  /** When `tokens` was updated. */
  at: number;
  suppressed: number;
}

/** Counts the lines of each kind. */
export class LineRate {
  #perSecond: number;
  readonly #now: () => number;
  readonly #kinds = new Map<string, KindState>();
  #suppressed = 0;

  /**
   * @param perSecond lines of one kind per second; as many can be written at once. 0 means no limit
   * @param now milliseconds of a monotonic clock
   */
  constructor(perSecond: number, now: () => number) {
    this.#perSecond = perSecond;
    this.#now = now;
  }

  /** Replaces the number of lines of one kind per second; 0 means no limit. */
  setLimit(perSecond: number): void {
    this.#perSecond = perSecond;
  }

  /** Lines that were not written since the start. */
  get suppressed(): number {
    return this.#suppressed;
  }

  /**
   * Decides about one line.
   *
   * @param kind what caused the line, such as a status; not text from a client
   * @returns how many lines of this kind were not written before this one, or undefined if this
   * one must not be written
   */
  take(kind: string): number | undefined {
    if (this.#perSecond === 0) return 0;
    const now = this.#now();
    const key = this.#kinds.has(kind) || this.#kinds.size < MAX_KINDS ? kind : "";
    let state = this.#kinds.get(key);
    if (state === undefined) {
      this.#kinds.set(key, state = { tokens: this.#perSecond, at: now, suppressed: 0 });
    }
    const earned = (now - state.at) * this.#perSecond / 1000;
    state.tokens = Math.min(this.#perSecond, state.tokens + earned);
    state.at = now;
    if (state.tokens < 1) {
      state.suppressed++;
      this.#suppressed++;
      return undefined;
    }
    state.tokens--;
    const { suppressed } = state;
    state.suppressed = 0;
    return suppressed;
  }
}
