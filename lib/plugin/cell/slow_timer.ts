/**
 * Tells those who wait for long that they do, by one timer for all of them. A timer for each request
 * would cost more than what it is for, and the runtime keeps what a cancelled one held until a full
 * collection: with the requests that hung on them, half of a server's time at full load.
 */

/** Somebody who waits. */
export interface SlowTimerEntry {
  /** Where the list has it; -1 while it does not wait. The list alone writes it. */
  index: number;
  /** Whether a tick found it waiting already. The list alone writes it. */
  hasTicked: boolean;
  /** Called once when it has waited for long. */
  onSlow(): void;
}

/** Calls back after so many milliseconds. */
export type SetTimer = (callback: () => void, ms: number) => void;

/** See the module. */
export class SlowTimer {
  readonly #ms: number;
  readonly #later: SetTimer;
  readonly #waiting: SlowTimerEntry[] = [];
  #ticking = false;

  /**
   * @param ms how long is not yet long: `late` comes after that and before twice that
   * @param later how a timer is set
   */
  constructor(ms: number, later: SetTimer = unheld) {
    this.#ms = ms;
    this.#later = later;
  }

  /** Begins to wait. */
  add(waiter: SlowTimerEntry): void {
    waiter.hasTicked = false;
    waiter.index = this.#waiting.length;
    this.#waiting[waiter.index] = waiter;
    if (!this.#ticking) this.#arm();
  }

  /** Waits no more. Idempotent. */
  remove(waiter: SlowTimerEntry): void {
    const last = this.#waiting[this.#waiting.length - 1];
    if (waiter.index < 0 || last === undefined) return;
    this.#waiting[waiter.index] = last;
    last.index = waiter.index;
    waiter.index = -1;
    this.#waiting.pop();
  }

  #arm(): void {
    this.#ticking = true;
    this.#later(() => this.#tick(), this.#ms);
  }

  #tick(): void {
    this.#ticking = false;
    const late: SlowTimerEntry[] = [];
    for (const waiter of this.#waiting) {
      if (waiter.hasTicked) late.push(waiter);
      waiter.hasTicked = true;
    }
    if (this.#waiting.length > late.length) this.#arm();
    for (const waiter of late) {
      this.remove(waiter);
      waiter.onSlow();
    }
  }
}

/** A timer that keeps no program from ending. */
function unheld(callback: () => void, ms: number): void {
  Deno.unrefTimer(Number(setTimeout(callback, ms)));
}
