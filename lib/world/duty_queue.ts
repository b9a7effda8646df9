/**
 * The candidates of one server for one duty, in the order in which they applied: the first has it while
 * the server has it. Pure.
 */

import type { DutyHandlers } from "./coordination.ts";

/** The candidates of one duty. */
export class DutyQueue {
  readonly #candidates: DutyHandlers[] = [];
  #holder: DutyHandlers | undefined;
  #isHeld = false;

  /** Number of candidates. */
  get size(): number {
    return this.#candidates.length;
  }

  /** Whether the server has the duty. */
  get isHeld(): boolean {
    return this.#isHeld;
  }

  /** Whether a candidate has the duty now. */
  has(candidate: DutyHandlers): boolean {
    return this.#isHeld && this.#holder === candidate;
  }

  /** Adds a candidate, which gets the duty if the server has it and no other candidate waits. */
  add(candidate: DutyHandlers): void {
    this.#candidates.push(candidate);
    this.#settle();
  }

  /** Removes a candidate without a call; the next one gets the duty. Idempotent. */
  remove(candidate: DutyHandlers): void {
    const index = this.#candidates.indexOf(candidate);
    if (index >= 0) this.#candidates.splice(index, 1);
    if (this.#holder === candidate) this.#holder = undefined;
    this.#settle();
  }

  /** The server has the duty now, or has lost it. Idempotent. */
  set(isHeld: boolean): void {
    this.#isHeld = isHeld;
    this.#settle();
  }

  #settle(): void {
    const next = this.#isHeld ? this.#candidates[0] : undefined;
    if (next === this.#holder) return;
    const before = this.#holder;
    this.#holder = next;
    before?.onLost();
    next?.onHeld();
  }
}
