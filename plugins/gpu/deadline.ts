/**
 * Limits the time of one call to a backend, and aborts it when the caller disconnects.
 */

/** Longest time for a complete response. */
const MAX_CALL_MS = 600_000;

/** Why a call was aborted; `done` if it was not. */
export type AbortReason = "idle" | "too-long" | "disconnected" | "done";

/** The signal of one call, with its two timers. */
export class Deadline {
  readonly #controller = new AbortController();
  readonly #idleMs: number;
  readonly #maxMs: number;
  readonly #timer: ReturnType<typeof setTimeout>;
  readonly #caller: AbortSignal;
  readonly #onDisconnect = (): void => this.abort("disconnected");
  #reason: AbortReason | undefined;

  /**
   * @param idleMs longest time to wait for one step of the backend
   * @param caller aborts when the caller disconnects
   */
  constructor(idleMs: number, caller: AbortSignal, maxMs = MAX_CALL_MS) {
    this.#idleMs = idleMs;
    this.#maxMs = maxMs;
    this.#timer = setTimeout(() => this.abort("too-long"), maxMs);
    this.#caller = caller;
    caller.addEventListener("abort", this.#onDisconnect);
    if (caller.aborted) this.abort("disconnected");
  }

  /** For `fetch`. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Why the call was aborted first; undefined while it runs. */
  get reason(): AbortReason | undefined {
    return this.#reason;
  }

  /** The exceeded limit in seconds, if the reason is one. */
  get exceededSeconds(): number | undefined {
    if (this.#reason === "idle") return this.#idleMs / 1000;
    return this.#reason === "too-long" ? this.#maxMs / 1000 : undefined;
  }

  /** Waits for one step of the backend, at most the idle time. */
  async wait<T>(step: Promise<T>): Promise<T> {
    const timer = setTimeout(() => this.abort("idle"), this.#idleMs);
    try {
      return await step;
    } finally {
      clearTimeout(timer);
    }
  }

  /** Aborts the call. Only the first reason counts. */
  abort(reason: AbortReason): void {
    if (this.#reason !== undefined) return;
    this.#reason = reason;
    this.release();
    this.#controller.abort();
  }

  /** Stops the timer and no longer watches the caller. The rest of the connection stays readable. */
  release(): void {
    clearTimeout(this.#timer);
    this.#caller.removeEventListener("abort", this.#onDisconnect);
  }
}
