/**
 * The last changes of the machine, for readers of collection streams who come back. It remembers
 * names, not contents, and is bounded; ids carry the process they were given by, because the count
 * begins anew with every start.
 */

import { MAX_STREAM_REPLAY_CHANGES } from "../../limits.ts";
import type { Change, Store } from "../../world/store.ts";

const logs = new WeakMap<Store, ReplayBuffer>();

/** The log of a store; it begins with the first call. */
export function replayBufferOf(store: Store): ReplayBuffer {
  let log = logs.get(store);
  if (log === undefined) {
    log = new ReplayBuffer(store, crypto.randomUUID().slice(0, 8));
    logs.set(store, log);
  }
  return log;
}

/** Changes since the log began, newest last, without contents. */
export class ReplayBuffer {
  readonly #store: Pick<Store, "seq" | "watch">;
  readonly #run: string;
  readonly #begin: number;
  #changes: Change[] = [];

  /** @param run tells this run's ids from those of other runs; letters and digits */
  constructor(store: Pick<Store, "seq" | "watch">, run: string) {
    this.#store = store;
    this.#run = run;
    this.#begin = store.seq;
    store.watch("/", ({ world: _, ...change }) => {
      this.#changes.push(change);
      if (this.#changes.length >= 2 * MAX_STREAM_REPLAY_CHANGES) {
        this.#changes = this.#changes.slice(-MAX_STREAM_REPLAY_CHANGES);
      }
    });
  }

  /** The event id of a change. */
  eventId(seq: number): string {
    return `${this.#run}-${seq}`;
  }

  /**
   * The changes after an event id, each world once; `undefined` when the id is not of this run, too
   * old, or still to come, so that the reader must begin anew.
   */
  since(id: string | null): Change[] | undefined {
    const [run, text] = id?.split("-") ?? [];
    const seq = Number(text);
    if (run !== this.#run || !/^\d{1,15}$/.test(text ?? "")) return undefined;
    const oldest = this.#changes[0]?.seq;
    if (seq > this.#store.seq || seq < this.#begin || (oldest !== undefined && seq < oldest - 1)) {
      return undefined;
    }
    const newest = new Map<string, Change>();
    for (const change of this.#changes) {
      if (change.seq <= seq) continue;
      newest.delete(change.name);
      newest.set(change.name, change);
    }
    return [...newest.values()];
  }
}
