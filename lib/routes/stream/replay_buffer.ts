/**
 * The latest changes of all worlds, for readers of collection streams that reconnect. It keeps
 * names without contents, up to a limit. Event ids contain a random id of this process, because the
 * count starts again with every start.
 */

import { MAX_STREAM_REPLAY_CHANGES } from "../../limits.ts";
import type { Change, Store } from "../../world/store.ts";

const buffers = new WeakMap<Store, ReplayBuffer>();

/** Returns the buffer of a store; the first call creates it. */
export function replayBufferOf(store: Store): ReplayBuffer {
  let buffer = buffers.get(store);
  if (buffer === undefined) {
    buffer = new ReplayBuffer(store, crypto.randomUUID().slice(0, 8));
    buffers.set(store, buffer);
  }
  return buffer;
}

/** Changes since the buffer was created, newest last, without contents. */
export class ReplayBuffer {
  readonly #store: Pick<Store, "seq" | "watch">;
  readonly #instanceId: string;
  readonly #begin: number;
  #changes: Change[] = [];

  /**
   * @param store the store to follow
   * @param instanceId random id of this process: letters and digits
   */
  constructor(store: Pick<Store, "seq" | "watch">, instanceId: string) {
    this.#store = store;
    this.#instanceId = instanceId;
    this.#begin = store.seq;
    store.watch("/", ({ world: _, ...change }) => {
      this.#changes.push(change);
      if (this.#changes.length >= 2 * MAX_STREAM_REPLAY_CHANGES) {
        this.#changes = this.#changes.slice(-MAX_STREAM_REPLAY_CHANGES);
      }
    });
  }

  /** Formats the event id of a change. */
  eventId(seq: number): string {
    return `${this.#instanceId}-${seq}`;
  }

  /**
   * Returns the changes after an event id, each world once.
   *
   * @returns undefined if the id is from another process, too old, or in the future; the reader
   * then needs the whole state
   */
  since(id: string | null): Change[] | undefined {
    const [instanceId, text] = id?.split("-") ?? [];
    const seq = Number(text);
    if (instanceId !== this.#instanceId || !/^\d{1,15}$/.test(text ?? "")) return undefined;
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
