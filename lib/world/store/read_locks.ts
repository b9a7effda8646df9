/**
 * Keeps looks at worlds' files and removals of worlds apart. A removal waits for the looks under way,
 * because they hold the file open, and whoever closes a moved file late could take a newer file's log
 * with it; new looks wait for the removal. It knows neither files nor worlds, only their names.
 */

/** Looks and removals under way, by name. */
export class ReadLocks {
  readonly #looks = new Map<string, Set<Promise<unknown>>>();
  readonly #leaving = new Map<string, Promise<unknown>>();

  /** Runs a look at worlds' files, not while one of them is being removed. */
  async shared<T>(names: readonly string[], look: () => Promise<T>): Promise<T> {
    for (;;) {
      const leaving = names.flatMap((name) => this.#leaving.get(name) ?? []);
      if (leaving.length === 0) break;
      await Promise.all(leaving);
    }
    const looking = look();
    for (const name of names) {
      this.#looks.set(name, (this.#looks.get(name) ?? new Set()).add(looking));
    }
    try {
      return await looking;
    } finally {
      for (const name of names) {
        const looks = this.#looks.get(name);
        looks?.delete(looking);
        if (looks?.size === 0) this.#looks.delete(name);
      }
    }
  }

  /** Runs a removal after the looks that are under way, and before those that come. */
  async exclusive<T>(name: string, remove: () => Promise<T>): Promise<T> {
    const removal = Promise.allSettled([...this.#looks.get(name) ?? []]).then(remove);
    // The caller gets the error of a removal; readers only wait for its end.
    const gate = removal.then(() => {}, () => {});
    this.#leaving.set(name, gate);
    try {
      return await removal;
    } finally {
      if (this.#leaving.get(name) === gate) this.#leaving.delete(name);
    }
  }
}
