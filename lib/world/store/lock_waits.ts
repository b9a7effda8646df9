/**
 * Operations that found their world locked by another process wait here and are tried again. Each
 * has a deadline of its own, measured from its start or from the first wait of its request; then it
 * fails with `in-use`. Operations of one world keep their order, and only the first of them is
 * tried, so that many of them cost no more than one. Worlds do not wait for each other.
 *
 * An attempt must not wait for the lock itself, because it can hold names that others need. Changes
 * that a writer queues (`LockedWorlds`) are the exception; they only share the deadline.
 */

import { MAX_LOCK_RETRY_MS } from "../../limits.ts";
import { currentLockBudget, LockRetry } from "../lock_wait.ts";
import { StoreError } from "../store.ts";

/** Reads and changes wait apart: a transaction of another process blocks no reader. */
type Access = "read" | "audit" | "change";

interface Waiter {
  readonly access: Access;
  readonly names: readonly string[];
  readonly attempt: () => Promise<unknown>;
  readonly result: PromiseWithResolvers<unknown>;
  /** Time after which the operation fails. */
  readonly deadline: number;
  timer?: ReturnType<typeof setTimeout>;
  /** Why the last attempt failed. */
  error: unknown;
  isRunning: boolean;
}

/** The operations that wait for one world. */
interface Queue {
  readonly waiters: Waiter[];
  readonly retry: LockRetry;
  timer?: ReturnType<typeof setTimeout>;
}

/** See the module. */
export class LockWaits {
  readonly #waitMs: number;
  readonly #queues = new Map<string, Queue>();
  #failures = 0;
  #isClosed = false;

  /** @param waitMs an operation waits this long for a lock */
  constructor(waitMs: number) {
    this.#waitMs = waitMs;
  }

  /** Number of operations that failed because another process had locked a world. */
  get failures(): number {
    return this.#failures;
  }

  /** Number of operations that wait now. */
  get waiting(): number {
    return [...this.#queues.values()].reduce((sum, { waiters }) => sum + waiters.length, 0);
  }

  /**
   * Runs an operation, again and again while its world is locked.
   *
   * @param names worlds that the operation needs
   * @param attempt fails with `in-use` if a world is locked
   * @throws {StoreError} `in-use` after the deadline, `closed` after {@link LockWaits.close}
   */
  async run<T>(access: Access, names: readonly string[], attempt: () => Promise<T>): Promise<T> {
    const arrivedAt = performance.now();
    const locked = names.find((name) => this.#queues.has(`${access} ${name}`));
    const deadline = (currentLockBudget()?.startedAt ?? arrivedAt) + this.#waitMs;
    // Without time to wait, one attempt is made even if others wait.
    if (locked !== undefined && deadline > arrivedAt) {
      currentLockBudget()?.start(arrivedAt);
      const error = createLockedError(locked);
      return await this.#wait({ access, names, attempt, deadline, error });
    }
    try {
      return await attempt();
    } catch (error) {
      if (!isLockedError(error)) throw error;
      currentLockBudget()?.start(arrivedAt);
      if (deadline <= performance.now()) {
        this.#failures += 1;
        throw error;
      }
      return await this.#wait({ access, names, attempt, deadline, error });
    }
  }

  /**
   * Runs a change whose writer itself waits for the lock.
   *
   * @param submit receives how long the writer may wait, in milliseconds; undefined for the whole
   * time
   */
  async submit<T>(submit: (lockWaitMs: number | undefined) => Promise<T>): Promise<T> {
    const submittedAt = performance.now();
    const startedAt = currentLockBudget()?.startedAt;
    try {
      return await submit(
        startedAt === undefined
          ? undefined
          : Math.max(0, startedAt + this.#waitMs - performance.now()),
      );
    } catch (error) {
      if (!isLockedError(error)) throw error;
      this.#failures += 1;
      currentLockBudget()?.start(submittedAt);
      throw error;
    }
  }

  /** Fails all waiting operations with `closed`. */
  close(): void {
    this.#isClosed = true;
    for (const queue of this.#queues.values()) {
      clearTimeout(queue.timer);
      for (const waiter of queue.waiters) {
        clearTimeout(waiter.timer);
        waiter.result.reject(createClosedError());
      }
    }
    this.#queues.clear();
  }

  async #wait<T>(
    operation: Omit<Waiter, "result" | "isRunning" | "attempt"> & { attempt: () => Promise<T> },
  ): Promise<T> {
    if (this.#isClosed) throw createClosedError();
    const result = Promise.withResolvers<unknown>();
    const waiter: Waiter = { ...operation, result, isRunning: false };
    waiter.timer = setTimeout(() => {
      // A running attempt decides; it does not wait for the lock.
      if (!waiter.isRunning) this.#fail(waiter);
    }, Math.max(0, waiter.deadline - performance.now()));
    this.#enqueue(waiter);
    // The result of this waiter is that of its attempt.
    return await result.promise as T;
  }

  #enqueue(waiter: Waiter): void {
    const key = queueKey(waiter);
    let queue = this.#queues.get(key);
    if (queue === undefined) {
      queue = { waiters: [], retry: new LockRetry() };
      this.#queues.set(key, queue);
      this.#schedule(key, queue);
    }
    queue.waiters.push(waiter);
  }

  #schedule(key: string, queue: Queue): void {
    queue.timer = setTimeout(() => void this.#tryAll(key, queue), queue.retry.next());
  }

  /** Tries the operations of a queue one after another until one finds the world locked. */
  async #tryAll(key: string, queue: Queue): Promise<void> {
    for (;;) {
      const waiter = queue.waiters.shift();
      if (waiter === undefined) break;
      const attempted = this.#attempt(waiter);
      const outcome = await orSlow(attempted);
      if (outcome === "slow") {
        // It has the world; the next one must not wait for its end.
        void attempted.then((late) => late === "locked" && this.#enqueue(waiter));
      } else if (outcome === "locked" && queueKey(waiter) === key) {
        queue.waiters.unshift(waiter);
        return this.#schedule(key, queue);
      } else if (outcome === "locked") this.#enqueue(waiter);
    }
    if (this.#queues.get(key) === queue) this.#queues.delete(key);
  }

  /** Makes one attempt; returns `locked` if the operation continues to wait. */
  async #attempt(waiter: Waiter): Promise<"done" | "locked"> {
    waiter.isRunning = true;
    try {
      waiter.result.resolve(await waiter.attempt());
    } catch (error) {
      waiter.isRunning = false;
      waiter.error = error;
      if (!isLockedError(error)) waiter.result.reject(error);
      else if (!this.#isClosed && performance.now() < waiter.deadline) return "locked";
      else this.#fail(waiter);
    }
    clearTimeout(waiter.timer);
    return "done";
  }

  #fail(waiter: Waiter): void {
    this.#failures += 1;
    waiter.result.reject(waiter.error);
    const queue = this.#queues.get(queueKey(waiter));
    const at = queue?.waiters.indexOf(waiter) ?? -1;
    if (at >= 0) queue?.waiters.splice(at, 1);
  }
}

/** Returns the outcome of an attempt, or `slow` if it takes longer than the longest pause. */
async function orSlow<T>(attempted: Promise<T>): Promise<T | "slow"> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const slow = new Promise<"slow">((resolve) => {
    timer = setTimeout(() => resolve("slow"), MAX_LOCK_RETRY_MS);
  });
  const outcome = await Promise.race([attempted, slow]);
  clearTimeout(timer);
  return outcome;
}

function isLockedError(error: unknown): boolean {
  return error instanceof StoreError && error.code === "in-use";
}

/** The queue of an operation: that of the world that its error is about. */
function queueKey({ access, names, error }: Waiter): string {
  const world = error instanceof StoreError ? error.world : undefined;
  const name = world !== undefined && names.includes(world) ? world : names[0];
  return `${access} ${name}`;
}

function createLockedError(name: string): StoreError {
  return new StoreError(
    "in-use",
    "Cannot use the world: another process has locked its file",
    name,
  );
}

function createClosedError(): StoreError {
  return new StoreError("closed", "Cannot use the store: it is shutting down");
}
