/**
 * Notifies watchers of changes: of one world, of all worlds below a collection, or of all worlds.
 * It is called after the commit, calls each listener once per change, and stores no changes.
 */

import type { Change } from "../store.ts";

type Listener = (change: Change) => void;

/** The listeners of one store. */
export class ChangeHub {
  readonly #listeners = new Map<string, Set<Listener>>();
  #seq = 0;

  /** @param onListenerError called with errors of listeners, which must not fail the change */
  constructor(readonly onListenerError: (error: unknown) => void) {}

  /** Number of changes that were published. */
  get seq(): number {
    return this.#seq;
  }

  /**
   * Adds a listener.
   *
   * @param name name of a world; with a trailing slash, all worlds below it; `/` means all worlds
   * @returns the function that removes the listener; idempotent
   */
  watch(name: string, listener: Listener): () => void {
    const set = this.#listeners.get(name) ?? new Set();
    this.#listeners.set(name, set.add(listener));
    return () => {
      set.delete(listener);
      if (set.size === 0 && this.#listeners.get(name) === set) this.#listeners.delete(name);
    };
  }

  /** Calls the listeners of the changed name, in the order in which they were added. */
  publish(change: Omit<Change, "seq">): void {
    const numbered: Change = { ...change, seq: ++this.#seq };
    if (this.#listeners.size === 0) return;
    this.#call(change.name, numbered);
    for (let end = change.name.lastIndexOf("/"); end > 0;) {
      this.#call(change.name.slice(0, end + 1), numbered);
      end = change.name.lastIndexOf("/", end - 1);
    }
    this.#call("/", numbered);
  }

  #call(key: string, change: Change): void {
    const set = this.#listeners.get(key);
    if (set === undefined) return;
    // A copy, because a listener that adds another one must not extend this loop.
    for (const listener of [...set]) {
      if (!set.has(listener)) continue;
      try {
        listener(change);
      } catch (error) {
        this.onListenerError(error);
      }
    }
  }
}
