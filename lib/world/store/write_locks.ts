/**
 * Holds changes of a name back while a world moves to or from it: the two writers that take part must
 * not see a job in between. It knows neither writers nor worlds, only names.
 */

/** Names that worlds are moving between. */
export class WriteLocks {
  readonly #held = new Map<string, Promise<void>>();

  /** What a change of `name` must wait for; `undefined` when it need not. */
  pending(name: string): Promise<void> | undefined {
    return this.#held.size === 0 ? undefined : this.#held.get(name);
  }

  /** Runs `move` when no other is at these names, and lets nobody else at them meanwhile. */
  async exclusive<T>(names: readonly string[], move: () => Promise<T>): Promise<T> {
    for (;;) {
      const others = names.flatMap((name) => this.#held.get(name) ?? []);
      if (others.length === 0) break;
      await Promise.all(others);
    }
    const moving = move();
    // The caller gets the error; the next holder only waits for the end.
    const gate = moving.then(() => {}, () => {}).finally(() => {
      for (const name of names) this.#held.delete(name);
    });
    for (const name of names) this.#held.set(name, gate);
    return await moving;
  }
}
