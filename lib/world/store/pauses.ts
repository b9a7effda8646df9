/** Waits of background work: pauses that can be ended early, and promises for several waiters. */

/** Creates a promise that is not always awaited: if it fails, its waiters are told and no one else. */
export function createDeferred(): PromiseWithResolvers<void> {
  const gate = Promise.withResolvers<void>();
  gate.promise.catch(() => {
    // Safe to ignore: each waiter gets the error.
  });
  return gate;
}

/** See the module. */
export class Pauses {
  readonly #keepsProcess: boolean;
  readonly #ends = new Set<() => void>();
  #isClosed = false;

  /** @param options `keepsProcess`: whether a pause keeps a process running; true if absent */
  constructor({ keepsProcess = true }: { readonly keepsProcess?: boolean } = {}) {
    this.#keepsProcess = keepsProcess;
  }

  /**
   * Waits.
   *
   * @param ms longest time in milliseconds
   */
  async wait(ms: number): Promise<void> {
    if (this.#isClosed) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, ms);
    if (!this.#keepsProcess) Deno.unrefTimer(timer);
    this.#ends.add(resolve);
    await promise;
    this.#ends.delete(resolve);
    clearTimeout(timer);
  }

  /** Ends all pauses. */
  end(): void {
    for (const end of this.#ends) end();
  }

  /** Ends all pauses; there are no later ones. */
  close(): void {
    this.#isClosed = true;
    this.end();
  }
}
