/**
 * Tells watchers of changes: of one world, of everything below a collection, or of everything. It
 * is called after the commit, calls each listener once a change, and keeps nothing.
 */

import type { Change } from "../store.ts";

type Listener = (change: Change) => void;

/** Who listens to what. */
export class ChangeHub {
  readonly #listeners = new Map<string, Set<Listener>>();
  #seq = 0;

  /** @param onListenerError told what a listener threw; whoever made the change must not suffer for it */
  constructor(readonly onListenerError: (error: unknown) => void) {}

  /** Sequence number of the newest change. */
  get seq(): number {
    return this.#seq;
  }

  /**
   * Adds a listener.
   *
   * @param name a world's name; a collection's with its trailing slash; `/` for everything
   * @returns the function that takes it away again; calling it twice is harmless
   */
  watch(name: string, listener: Listener): () => void {
    const set = this.#listeners.get(name) ?? new Set();
    this.#listeners.set(name, set.add(listener));
    return () => {
      set.delete(listener);
      if (set.size === 0 && this.#listeners.get(name) === set) this.#listeners.delete(name);
    };
  }

  /** Tells everyone who watches the changed name, in the order they came. */
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
    // Over a copy: a listener that watches anew must not be told of the same change without end.
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
