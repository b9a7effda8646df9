/**
 * How long a request waits for worlds that another process has locked, for example `sqlite3` with an
 * open transaction. One request can need a locked world several times: it reads it, it changes it,
 * and it waits for requests that need it too. All these waits together have one limit, so each
 * request has a budget, which starts with its first wait. The budget is found through the
 * asynchronous context, because waits are deep below the routes.
 */

import { AsyncLocalStorage } from "node:async_hooks";
import { LOCK_RETRY_MS, MAX_LOCK_RETRY_MS } from "../limits.ts";

/** The time that one request may wait for locked worlds. Times are those of `performance.now()`. */
export class LockBudget {
  #startedAt: number | undefined;
  #isEnded = false;

  /** When the first wait began; undefined if the request has not waited. */
  get startedAt(): number | undefined {
    return this.#startedAt;
  }

  /** Records that a wait began; the first one counts. */
  start(at: number): void {
    if (this.#startedAt === undefined || at < this.#startedAt) this.#startedAt = at;
  }

  /** Whether the request has been answered, so that later work is not its own. */
  get isEnded(): boolean {
    return this.#isEnded;
  }

  /** Records that the request has been answered. */
  end(): void {
    this.#isEnded = true;
  }
}

const current = new AsyncLocalStorage<LockBudget | undefined>();

/**
 * Returns the budget of the running request; undefined for work of the server itself. An ended budget
 * does not count: after an `import()` in a request, the runtime starts all later requests, and all other
 * callbacks of the system, in the context of that request (Deno 2.9.6).
 */
export function currentLockBudget(): LockBudget | undefined {
  const budget = current.getStore();
  return budget?.isEnded ? undefined : budget;
}

/** Calls `action` with a budget, or without one; everything that it starts shares the budget. */
export function withLockBudget<T>(budget: LockBudget | undefined, action: () => T): T {
  return current.run(budget, action);
}

/** Pauses between the attempts of one job or world. */
export class LockRetry {
  #pauseMs = LOCK_RETRY_MS;

  /** Returns the next pause in milliseconds; each is twice as long as the one before. */
  next(): number {
    const pause = this.#pauseMs;
    this.#pauseMs = Math.min(2 * pause, MAX_LOCK_RETRY_MS);
    return pause;
  }
}
