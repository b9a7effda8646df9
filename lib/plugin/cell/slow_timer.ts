/**
 * Calls back entries that wait for a long time, with one timer for all. One timer per request is
 * too expensive: Deno keeps the closure of a cancelled timer, and the request it refers to, until
 * the next full garbage collection. That took half of the server's time at full load.
 */

/** An entry that waits. */
export interface SlowTimerEntry {
  /** Position in the timer's list; -1 while it does not wait. Only the timer writes it. */
  index: number;
  /** Whether it was waiting at the last tick. Only the timer writes it. */
  hasTicked: boolean;
  /** Called once, when it has waited for one to two intervals. */
  onSlow(): void;
}

/** Calls `callback` after `ms` milliseconds. */
export type SetTimer = (callback: () => void, ms: number) => void;

/** One timer for many entries. It runs only while there are entries. */
export class SlowTimer {
  readonly #ms: number;
  readonly #setTimer: SetTimer;
  readonly #waiting: SlowTimerEntry[] = [];
  #ticking = false;

  /**
   * @param ms interval in milliseconds; `onSlow` is called after one to two intervals
   * @param setTimer sets a timer
   */
  constructor(ms: number, setTimer: SetTimer = setUnrefTimer) {
    this.#ms = ms;
    this.#setTimer = setTimer;
  }

  /** Adds an entry, which then waits. */
  add(waiter: SlowTimerEntry): void {
    waiter.hasTicked = false;
    waiter.index = this.#waiting.length;
    this.#waiting[waiter.index] = waiter;
    if (!this.#ticking) this.#start();
  }

  /** Removes an entry; its `onSlow` is not called any more. Idempotent. */
  remove(waiter: SlowTimerEntry): void {
    const last = this.#waiting[this.#waiting.length - 1];
    if (waiter.index < 0 || last === undefined) return;
    this.#waiting[waiter.index] = last;
    last.index = waiter.index;
    waiter.index = -1;
    this.#waiting.pop();
  }

  #start(): void {
    this.#ticking = true;
    this.#setTimer(() => this.#tick(), this.#ms);
  }

  #tick(): void {
    this.#ticking = false;
    const late: SlowTimerEntry[] = [];
    for (const waiter of this.#waiting) {
      if (waiter.hasTicked) late.push(waiter);
      waiter.hasTicked = true;
    }
    if (this.#waiting.length > late.length) this.#start();
    for (const waiter of late) {
      this.remove(waiter);
      waiter.onSlow();
    }
  }
}

/** Sets a timer that does not keep the process alive. */
function setUnrefTimer(callback: () => void, ms: number): void {
  Deno.unrefTimer(Number(setTimeout(callback, ms)));
}
