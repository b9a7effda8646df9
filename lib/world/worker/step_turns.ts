/**
 * The steps of long jobs of a Worker, one in each turn of the event loop: messages that arrive, such as
 * appends and short queries, never wait for more than one step, however many long jobs there are. The
 * jobs take turns.
 */

import { setImmediate } from "node:timers";
import { StoreError } from "../store.ts";

/** See the module. */
export class StepTurns {
  readonly #waiting: (() => void)[] = [];
  #isStopped = false;

  /**
   * Runs a generator to its end: the first step at once, each other step in its turn.
   *
   * @throws {StoreError} `closed` after {@link StepTurns.stop}
   */
  async run<T>(steps: Generator<void, T>): Promise<T> {
    for (;;) {
      if (this.#isStopped) throw new StoreError("closed", "Cannot continue: the store is closed");
      const { done, value } = steps.next();
      if (done) return value;
      await this.#next();
    }
  }

  /** Ends all jobs before their next step. */
  stop(): void {
    this.#isStopped = true;
  }

  #next(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#waiting.push(resolve);
    if (this.#waiting.length === 1) setImmediate(() => this.#resumeOne());
    return promise;
  }

  #resumeOne(): void {
    const resume = this.#waiting.shift();
    if (this.#waiting.length > 0) setImmediate(() => this.#resumeOne());
    resume?.();
  }
}
