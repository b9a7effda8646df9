/**
 * Worlds whose events the change index could not read, because their files were locked or the server
 * had no free file handles. Each is tried again until its events are in the index. After a crash the
 * Workers of the server lock a file for a moment too, while the first of them recovers its log, so the
 * first attempts follow soon, and the operator hears of a world only if it stays locked.
 */

import { INDEX_RETRY_MS, LOCK_RETRY_MS } from "../../limits.ts";
import { StoreError } from "../store.ts";

/** Errors after which a later attempt to read a chain or to write the index can succeed. */
const TRANSIENT: ReadonlySet<string> = new Set(["in-use", "busy", "full"]);

interface UnreadWorld {
  /** The idempotency keys of the missing events. */
  readonly keys: readonly string[];
  /** Time of the first attempt. */
  readonly since: number;
  readonly isReported: boolean;
}

/** See the module. */
export class UnreadWorlds {
  readonly #worlds = new Map<string, UnreadWorld>();
  readonly #retry: (name: string, keys: readonly string[]) => Promise<boolean>;
  readonly #log: (line: string) => void;
  readonly #now: () => number;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #pauseMs = LOCK_RETRY_MS;
  #isStopped = false;

  /**
   * @param retry tries to read a world again; resolves with whether that is done
   * @param log writes a line for the operator
   * @param now the monotonic clock in milliseconds
   */
  constructor(
    retry: (name: string, keys: readonly string[]) => Promise<boolean>,
    log: (line: string) => void,
    now: () => number = () => performance.now(),
  ) {
    this.#retry = retry;
    this.#log = log;
    this.#now = now;
  }

  /**
   * Adds a world if a later attempt can succeed. It is reported when it could not be read for
   * {@link INDEX_RETRY_MS}.
   *
   * @returns whether it was added
   */
  add(name: string, error: unknown, keys: readonly string[] = []): boolean {
    if (!(error instanceof StoreError) || !TRANSIENT.has(error.code)) return false;
    const now = this.#now();
    const before = this.#worlds.get(name) ?? { keys: [], since: now, isReported: false };
    const isLate = now - before.since >= INDEX_RETRY_MS;
    if (isLate && !before.isReported) this.report(name, error);
    this.#worlds.set(name, {
      keys: [...before.keys, ...keys],
      since: before.since,
      isReported: isLate,
    });
    this.#schedule();
    return true;
  }

  /** Logs that a world cannot be read. */
  report(name: string, error: unknown): void {
    const fault = error instanceof Error ? error.message : String(error);
    this.#log(`cannot read events of /${name} for the index: ${fault}`);
  }

  /** Returns a world that has a name, or is below it. */
  findBelow(name: string): string | undefined {
    return this.#worlds.keys().find((unread) =>
      unread === name || name === "" || unread.startsWith(`${name}/`)
    );
  }

  /** Ends all attempts. */
  stop(): void {
    this.#isStopped = true;
    clearTimeout(this.#timer);
  }

  #schedule(): void {
    if (this.#isStopped || this.#worlds.size === 0) return;
    this.#timer ??= setTimeout(() => void this.#retryAll(), this.#pauseMs);
  }

  async #retryAll(): Promise<void> {
    try {
      for (const [name, world] of [...this.#worlds]) {
        // Only when its events are in the index can a request with a key be answered.
        const isDone = await this.#retry(name, world.keys);
        if (isDone && this.#worlds.get(name) === world) this.#worlds.delete(name);
      }
    } catch {
      // Safe to ignore: the index is being created again, or the store is closing.
    }
    this.#pauseMs = this.#worlds.size === 0
      ? LOCK_RETRY_MS
      : Math.min(2 * this.#pauseMs, INDEX_RETRY_MS);
    this.#timer = undefined;
    this.#schedule();
  }
}
