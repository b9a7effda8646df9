/**
 * Actions that run one after another for each key. An action that waits for a locked world delays
 * the later ones of its key. That time counts as their own wait, so that requests in a row do not
 * each wait for the whole time.
 */

import { currentLockBudget, LockBudget, withLockBudget } from "./lock_wait.ts";

interface Turn {
  readonly budget: LockBudget;
  /** Resolves at the end of the action, also after an error. */
  readonly ended: Promise<void>;
}

/** See the module. */
export class Turns {
  /** The last action of each key. */
  readonly #last = new Map<string, Turn>();

  /** Resolves when all actions that were added before have ended. */
  async settled(): Promise<void> {
    await Promise.all([...this.#last.values()].map(({ ended }) => ended));
  }

  /** Runs an action after all earlier ones of its key; returns its result. */
  run<T>(key: string, action: () => Promise<T>): Promise<T> {
    const before = this.#last.get(key);
    const queuedAt = performance.now();
    const budget = currentLockBudget() ?? new LockBudget();
    const start = () => {
      if (before?.budget.startedAt !== undefined) budget.start(queuedAt);
      return withLockBudget(budget, action);
    };
    const running = before === undefined ? Promise.resolve().then(start) : before.ended.then(start);
    // The caller gets the error; the next action waits only for the end.
    const ended = running.then(() => {}, () => {});
    const turn = { budget, ended };
    this.#last.set(key, turn);
    void ended.then(() => {
      if (this.#last.get(key) === turn) this.#last.delete(key);
    });
    return running;
  }
}
