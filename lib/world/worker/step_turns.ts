/**
 * The steps of long jobs of a Worker, one in each turn of the event loop: messages that arrive, such as
 * appends and short queries, never wait for more than one step, however many long jobs there are. The
 * jobs take turns.
 */

import { setImmediate } from "node:timers";

/** See the module. */
export class StepTurns {
  readonly #waiting: (() => void)[] = [];

  /** Runs a generator to its end: the first step at once, each other step in its turn. */
  async run<T>(steps: Generator<void, T>): Promise<T> {
    for (;;) {
      const { done, value } = steps.next();
      if (done) return value;
      await this.#next();
    }
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
