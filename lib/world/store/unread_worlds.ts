/**
 * Worlds whose events the change index could not read, because another process had locked them or the
 * server had no free file handles. Each is tried again until its events are in the index.
 */

import { INDEX_RETRY_MS } from "../../limits.ts";
import { StoreError } from "../store.ts";

/** Errors after which a later attempt to read a chain or to write the index can succeed. */
const TRANSIENT: ReadonlySet<string> = new Set(["in-use", "busy", "full"]);

/** See the module. */
export class UnreadWorlds {
  /** The worlds, and the idempotency keys of their missing events. */
  readonly #keys = new Map<string, readonly string[]>();
  readonly #retry: (name: string, keys: readonly string[]) => Promise<boolean>;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #isStopped = false;

  /** @param retry tries to read a world again; resolves with whether that is done */
  constructor(retry: (name: string, keys: readonly string[]) => Promise<boolean>) {
    this.#retry = retry;
  }

  /**
   * Adds a world if a later attempt can succeed.
   *
   * @returns whether it was added
   */
  add(name: string, error: unknown, keys: readonly string[] = []): boolean {
    if (!(error instanceof StoreError) || !TRANSIENT.has(error.code)) return false;
    this.#keys.set(name, [...this.#keys.get(name) ?? [], ...keys]);
    this.#schedule();
    return true;
  }

  /** Returns a world that has a name, or is below it. */
  findBelow(name: string): string | undefined {
    return this.#keys.keys().find((unread) =>
      unread === name || name === "" || unread.startsWith(`${name}/`)
    );
  }

  /** Ends all attempts. */
  stop(): void {
    this.#isStopped = true;
    clearTimeout(this.#timer);
  }

  #schedule(): void {
    if (this.#isStopped || this.#keys.size === 0) return;
    this.#timer ??= setTimeout(() => void this.#retryAll(), INDEX_RETRY_MS);
  }

  async #retryAll(): Promise<void> {
    try {
      for (const [name, keys] of [...this.#keys]) {
        // Only when its events are in the index can a request with a key be answered.
        const isDone = await this.#retry(name, keys);
        if (isDone && this.#keys.get(name) === keys) this.#keys.delete(name);
      }
    } catch {
      // Safe to ignore: the index is being created again, or the store is closing.
    }
    this.#timer = undefined;
    this.#schedule();
  }
}
