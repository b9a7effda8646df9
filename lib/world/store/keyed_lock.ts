/**
 * A shared/exclusive lock for each key. Shared holders of a key run at the same time. An exclusive
 * holder runs after all earlier holders of its keys have ended, and before all later ones start.
 *
 * The store has two of these locks, with names of worlds as keys:
 *
 * - `readLocks`: reads share it; removal and rename take it exclusively. Otherwise a read that
 *   closes its handle after the file was moved could delete the write-ahead log of a newer file.
 * - `writeLocks`: only a rename takes it, exclusively. Changes wait for `pending`, because the two
 *   writers of a rename must not receive a change between its steps.
 *
 * One lock is not enough, because a change must not wait for reads.
 */

/** See the module. */
export class KeyedLock {
  readonly #shared = new Map<string, Set<Promise<unknown>>>();
  readonly #exclusive = new Map<string, Promise<void>>();

  /**
   * Returns a promise that resolves when a key has no exclusive holder, or undefined if it has none
   * now. Synchronous, because every change calls it.
   */
  pending(key: string): Promise<void> | undefined {
    return this.#exclusive.size === 0 ? undefined : this.#exclusive.get(key);
  }

  /** Runs an action as a shared holder, as soon as none of its keys has an exclusive holder. */
  async shared<T>(keys: readonly string[], action: () => Promise<T>): Promise<T> {
    for (let busy = this.#busy(keys); busy.length > 0; busy = this.#busy(keys)) {
      await Promise.all(busy);
    }
    const running = action();
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

  /** Runs an action as exclusive holder of its keys. Errors of earlier holders are ignored. */
  async exclusive<T>(keys: readonly string[], action: () => Promise<T>): Promise<T> {
    for (let busy = this.#busy(keys); busy.length > 0; busy = this.#busy(keys)) {
      await Promise.all(busy);
    }
    const before = keys.flatMap((key) => [...this.#shared.get(key) ?? []]);
    const running = before.length === 0 ? action() : Promise.allSettled(before).then(action);
    // The caller gets the error; actions that wait for the key need only the end.
    const ended = running.then(() => {}, () => {});
    const released = ended.then(() => {
      for (const key of keys) {
        if (this.#exclusive.get(key) === released) this.#exclusive.delete(key);
      }
    });
    for (const key of keys) this.#exclusive.set(key, released);
    return await running;
  }

  /** Returns the exclusive holders of any of the keys. */
  #busy(keys: readonly string[]): readonly Promise<void>[] {
    return keys.flatMap((key) => this.#exclusive.get(key) ?? []);
  }
}
