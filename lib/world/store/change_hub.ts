/**
 * Listeners of changes by name: of one world, of all worlds below a collection, or of all worlds. Each
 * listener is called once per change. Nothing is stored.
 */

import type { Change } from "../store.ts";

/** A function that receives what concerns a name. */
type Listener<T> = (value: T) => void;

/** Listeners that are added by name. */
export class NameListeners<T extends { readonly name: string }> {
  readonly #listeners = new Map<string, Set<Listener<T>>>();

  /** @param onError called with errors of listeners, which must not fail the caller */
  constructor(readonly onError: (error: unknown) => void) {}

  /**
   * Adds a listener.
   *
   * @param name name of a world; with a trailing slash, all worlds below it; `/` means all worlds
   * @returns the function that removes the listener; idempotent
   */
  add(name: string, listener: Listener<T>): () => void {
    const set = this.#listeners.get(name) ?? new Set();
    this.#listeners.set(name, set.add(listener));
    return () => {
      set.delete(listener);
      if (set.size === 0 && this.#listeners.get(name) === set) this.#listeners.delete(name);
    };
  }

  /** Calls the listeners of the value's name, in the order in which they were added. */
  notify(value: T): void {
    if (this.#listeners.size === 0) return;
    const { name } = value;
    this.#call(name, value);
    for (let end = name.lastIndexOf("/"); end > 0;) {
      this.#call(name.slice(0, end + 1), value);
      end = name.lastIndexOf("/", end - 1);
    }
    this.#call("/", value);
  }

  #call(key: string, value: T): void {
    const set = this.#listeners.get(key);
    if (set === undefined) return;
    // A copy, because a listener that adds another one must not extend this loop.
    for (const listener of [...set]) {
      if (!set.has(listener)) continue;
      try {
        listener(value);
      } catch (error) {
        this.onError(error);
      }
    }
  }
}

/** The watchers of one store. */
export class ChangeHub {
  readonly #listeners: NameListeners<Change>;
  #seq = 0;

  /** @param onListenerError called with errors of listeners, which must not fail the change */
  constructor(onListenerError: (error: unknown) => void) {
    this.#listeners = new NameListeners(onListenerError);
  }

  /** Number of changes that were published. */
  get seq(): number {
    return this.#seq;
  }

  /** Adds a listener; see {@link NameListeners.add}. */
  watch(name: string, listener: (change: Change) => void): () => void {
    return this.#listeners.add(name, listener);
  }

  /**
   * Calls the listeners of the changed name.
   *
   * @returns the change with its number
   */
  publish(change: Omit<Change, "seq">): Change {
    const numbered: Change = { ...change, seq: ++this.#seq };
    this.#listeners.notify(numbered);
    return numbered;
  }
}
