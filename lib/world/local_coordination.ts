/** Coordination of a server that has its store for itself: in memory, without waiting for anything. */

import type { Coordination, Duty, DutyHandlers, NodeEntry, NodeReport } from "./coordination.ts";
import { DutyQueue } from "./duty_queue.ts";
import { Turns } from "./turns.ts";

/** Keys of `once` that are kept at most; the oldest are forgotten first. */
const MAX_ONCE_KEYS = 100_000;

/** What the only server of a store knows of itself. */
export interface LocalNode {
  readonly version: string;
  readonly now: () => number;
}

/** See the module. */
export class LocalCoordination implements Coordination {
  readonly node = undefined;
  readonly #options: LocalNode;
  /** Time at which each key is forgotten. */
  readonly #once = new Map<string, number>();
  readonly #turns = new Turns();
  readonly #running = new Set<string>();
  readonly #duties = new Map<string, DutyQueue>();
  #report: () => NodeReport = () => ({ url: "", plugins: {} });

  /** @param options its clock must only move forward */
  constructor(options: LocalNode = { version: "", now: () => performance.now() }) {
    this.#options = options;
  }

  once(key: string, keepSeconds: number): Promise<boolean> {
    const now = this.#options.now();
    const until = this.#once.get(key);
    if (until !== undefined && until > now) return Promise.resolve(false);
    this.#once.delete(key);
    this.#once.set(key, now + keepSeconds * 1000);
    // In the order of insertion, which for keys that are kept equally long is that of their ends.
    for (const [oldest, end] of this.#once) {
      if (end > now && this.#once.size <= MAX_ONCE_KEYS) break;
      this.#once.delete(oldest);
    }
    return Promise.resolve(true);
  }

  exclusive<T>(key: string, run: () => Promise<T>): Promise<T> {
    return this.#turns.run(key, run);
  }

  async attempt(name: string, run: () => Promise<void>): Promise<boolean> {
    if (this.#running.has(name)) return false;
    this.#running.add(name);
    try {
      await run();
    } finally {
      this.#running.delete(name);
    }
    return true;
  }

  duty(name: string, handlers: DutyHandlers): Duty {
    const queue = this.#duties.get(name) ?? new DutyQueue();
    this.#duties.set(name, queue);
    const candidate = bind(handlers);
    queue.set(true);
    queue.add(candidate);
    return {
      get isHeld() {
        return queue.has(candidate);
      },
      end: () => {
        queue.remove(candidate);
        if (queue.size === 0 && this.#duties.get(name) === queue) this.#duties.delete(name);
        return Promise.resolve();
      },
    };
  }

  /** The plugin host of the only server checks routes itself. */
  claimRoutes(): Promise<undefined> {
    return Promise.resolve(undefined);
  }

  nodes(): Promise<readonly NodeEntry[]> {
    const { version } = this.#options;
    return Promise.resolve([{ id: "", version, readable: true, ageMs: 0, ...this.#report() }]);
  }

  report(create: () => NodeReport): void {
    this.#report = create;
  }
}

/** Returns an object of its own, because two candidates can have the same handlers. */
function bind(handlers: DutyHandlers): DutyHandlers {
  return { onHeld: () => handlers.onHeld(), onLost: () => handlers.onLost() };
}
