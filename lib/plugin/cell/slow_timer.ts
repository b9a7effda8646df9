/**
 * Tells those who wait for long that they do, by one timer for all of them. A timer for each request
 * would cost more than what it is for, and the runtime keeps what a cancelled one held until a full
 * collection: with the requests that hung on them, half of a server's time at full load.
 */

/** Somebody who waits. */
export interface Waiter {
  /** Where the list has it; -1 while it does not wait. The list alone writes it. */
  place: number;
  /** Whether a tick found it waiting already. The list alone writes it. */
  seen: boolean;
  /** Called once when it has waited for long. */
  late(): void;
}

/** Calls back after so many milliseconds. */
export type Later = (callback: () => void, ms: number) => void;

/** See the module. */
export class Patience {
  readonly #ms: number;
  readonly #later: Later;
  readonly #waiting: Waiter[] = [];
  #ticking = false;

  /**
   * @param ms how long is not yet long: `late` comes after that and before twice that
   * @param later how a timer is set
   */
  constructor(ms: number, later: Later = unheld) {
    this.#ms = ms;
    this.#later = later;
  }

  /** Begins to wait. */
  wait(waiter: Waiter): void {
    waiter.seen = false;
    waiter.place = this.#waiting.length;
    this.#waiting[waiter.place] = waiter;
    if (!this.#ticking) this.#arm();
  }

  /** Waits no more. Idempotent. */
  done(waiter: Waiter): void {
    const last = this.#waiting[this.#waiting.length - 1];
    if (waiter.place < 0 || last === undefined) return;
    this.#waiting[waiter.place] = last;
    last.place = waiter.place;
    waiter.place = -1;
    this.#waiting.pop();
  }

  #arm(): void {
    this.#ticking = true;
    this.#later(() => this.#tick(), this.#ms);
  }

  #tick(): void {
    this.#ticking = false;
    const late: Waiter[] = [];
    for (const waiter of this.#waiting) {
      if (waiter.seen) late.push(waiter);
      waiter.seen = true;
    }
    if (this.#waiting.length > late.length) this.#arm();
    for (const waiter of late) {
      this.done(waiter);
      waiter.late();
    }
  }
}

/** A timer that keeps no program from ending. */
function unheld(callback: () => void, ms: number): void {
  Deno.unrefTimer(Number(setTimeout(callback, ms)));
}
