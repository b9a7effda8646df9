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

  /** When the first wait began; undefined if the request has not waited. */
  get startedAt(): number | undefined {
    return this.#startedAt;
  }

  /** Records that a wait began; the first one counts. */
  start(at: number): void {
    if (this.#startedAt === undefined || at < this.#startedAt) this.#startedAt = at;
  }
}

const current = new AsyncLocalStorage<LockBudget>();

/** Returns the budget of the running request; undefined for work of the server itself. */
export function currentLockBudget(): LockBudget | undefined {
  return current.getStore();
}

/** Calls `action` with a budget; everything that it starts shares the budget. */
export function withLockBudget<T>(budget: LockBudget, action: () => T): T {
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
