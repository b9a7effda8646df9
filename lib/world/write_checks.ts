/**
 * Checks of a request that must still hold when its changes are made. A lock that another server grants
 * between the check of a write and the write would otherwise be ignored. A shared store takes the checks
 * of the request with each change and runs them right before it sends the change, with the state of
 * memory that it names to the database. The checks are found through the asynchronous context, because
 * changes are deep below the routes.
 */

import { AsyncLocalStorage } from "node:async_hooks";

interface WriteCheck {
  readonly version: () => number;
  readonly run: () => void;
  /** The version for which it holds. */
  seen: number;
}

/** The check that a caller has its authority; it depends on what other servers change. */
export interface CallerCheck {
  /** Settles when it is known; undefined if it is. Never rejects. */
  readonly pending: () => Promise<void> | undefined;
  /** Throws if the caller does not have its authority any more. */
  readonly run: () => void;
}

/** The checks of one request. */
export class WriteChecks {
  readonly #caller: CallerCheck | undefined;
  #checks: WriteCheck[] = [];
  #isEnded = false;
  #hasEffect = false;

  /** @param caller the check of the caller of the request, which remains */
  constructor(caller?: CallerCheck) {
    this.#caller = caller;
  }

  /** Settles when what the checks depend on is known; undefined if it is. */
  get pending(): Promise<void> | undefined {
    return this.#caller?.pending();
  }

  /** Whether the request has been answered, so that later work is not its own. */
  get isEnded(): boolean {
    return this.#isEnded;
  }

  /** Records that the request has been answered. */
  end(): void {
    this.#isEnded = true;
  }

  /** Whether the request has made a change, or was sent to a plugin: it must not run a second time. */
  get hasEffect(): boolean {
    return this.#hasEffect;
  }

  /** Records that the request has an effect. */
  recordEffect(): void {
    this.#hasEffect = true;
  }

  /**
   * Adds a check that holds now.
   *
   * @param version returns a number; as long as it is the same the check still holds
   * @param run throws if the check does not hold any more
   */
  add(version: () => number, run: () => void): void {
    this.#checks.push({ version, run, seen: version() });
  }

  /** Removes the checks that were added, because the request itself has changed what they depend on. */
  clear(): void {
    this.#checks = [];
  }

  /** Runs the checks that can have another result now; throws what the first one throws. */
  run(): void {
    this.#caller?.run();
    for (const check of this.#checks) {
      const version = check.version();
      if (version === check.seen) continue;
      check.run();
      check.seen = version;
    }
  }
}

const current = new AsyncLocalStorage<WriteChecks | undefined>();

/**
 * Returns the checks of the running request; undefined for work of the server itself, and if the store
 * is not shared. Those of a request that has ended do not count, as in lock_wait.ts.
 */
export function currentWriteChecks(): WriteChecks | undefined {
  const checks = current.getStore();
  return checks?.isEnded ? undefined : checks;
}

/** Calls `action` with checks; everything that it starts shares them. */
export function withWriteChecks<T>(checks: WriteChecks, action: () => T): T {
  return current.run(checks, action);
}
