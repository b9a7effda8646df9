/**
 * A shared/exclusive lock for each key. Holders that share a key run together; an exclusive holder runs
 * alone at all of its keys: after the shared and exclusive holders that came before it, and before those
 * that come later.
 *
 * The store has two. In `readLocks` reads of a world's file share, and removal and rename exclude: closing
 * a handle to a moved file late can delete the WAL of a newer file. In `writeLocks` only rename holds:
 * changes ask `pending`, because the two writers of a rename must not receive a change between its steps.
 * One lock is not enough: a change must not wait for readers.
 */

/** See the module. */
export class KeyedLock {
  readonly #shared = new Map<string, Set<Promise<unknown>>>();
  readonly #exclusive = new Map<string, Promise<void>>();

  /**
   * What has to be awaited before a key is free of exclusive holders; undefined if it is free now. It
   * answers without a promise, because every change asks.
   */
  pending(key: string): Promise<void> | undefined {
    return this.#exclusive.size === 0 ? undefined : this.#exclusive.get(key);
  }

  /** Runs an action that shares its keys, as soon as none of them has an exclusive holder. */
  async shared<T>(keys: readonly string[], act: () => Promise<T>): Promise<T> {
    for (let busy = this.#busy(keys); busy.length > 0; busy = this.#busy(keys)) {
      await Promise.all(busy);
    }
    const running = act();
    for (const key of keys) {
      this.#shared.set(key, (this.#shared.get(key) ?? new Set()).add(running));
    }
    try {
      return await running;
    } finally {
      for (const key of keys) {
        const holders = this.#shared.get(key);
        holders?.delete(running);
        if (holders?.size === 0) this.#shared.delete(key);
      }
    }
  }

  /** Runs an action that excludes all others at its keys. It also waits for holders that fail. */
  async exclusive<T>(keys: readonly string[], act: () => Promise<T>): Promise<T> {
    for (let busy = this.#busy(keys); busy.length > 0; busy = this.#busy(keys)) {
      await Promise.all(busy);
    }
    const before = keys.flatMap((key) => [...this.#shared.get(key) ?? []]);
    const running = before.length === 0 ? act() : Promise.allSettled(before).then(act);
    // The caller gets the error; those who wait for the key need only the end.
    const ended = running.then(() => {}, () => {});
    const released = ended.then(() => {
      for (const key of keys) {
        if (this.#exclusive.get(key) === released) this.#exclusive.delete(key);
      }
    });
    for (const key of keys) this.#exclusive.set(key, released);
    return await running;
  }

  /** What exclusive holders of any of the keys have to be awaited; without one, nothing is awaited. */
  #busy(keys: readonly string[]): readonly Promise<void>[] {
    return keys.flatMap((key) => this.#exclusive.get(key) ?? []);
  }
}
