/**
 * Gives up responses of a plugin whose reader takes nothing. Flow control limits their memory, but
 * each of them would hold a request of the plugin, a file and a connection for ever. The server
 * watches the responses to its clients (`connection_table.ts`); this module watches those to other
 * plugins, also after the plugin has sent all of the body. A plugin that sends nothing is not affected.
 */

import type { CallerConnection } from "./client_disconnect.ts";
import type { PendingCall, ReadBody } from "../wire/rpc_calls.ts";

/** The reader of a response took nothing for too long, so the response was given up. */
export class UnreadResponseError extends Error {
  override readonly name = "UnreadResponseError";
}

/** A response that is being sent. */
export interface WatchedResponse {
  readonly body: ReadBody;
  readonly call: Pick<PendingCall, "cancel" | "isOver">;
  /** The connection of the reader; absent for a subrequest of a plugin. */
  readonly connection?: Pick<
    NonNullable<CallerConnection["connection"]>,
    "completed" | "watchReader"
  >;
}

interface Progress extends WatchedResponse {
  taken: number;
  /** Monotonic time at which the reader took something last, or at which nothing waited for it. */
  at: number;
}

/** Longest interval between two checks. */
const CHECK_MS = 1_000;

/** The responses of one cell that are being sent. */
export class UnreadResponses {
  readonly #timeoutMs: number;
  readonly #now: () => number;
  readonly #onGiveUp: () => void;
  readonly #open = new Set<Progress>();
  #timer: ReturnType<typeof setInterval> | undefined;

  /**
   * @param timeoutMs time without progress after which a response is given up
   * @param now monotonic time in milliseconds
   * @param onGiveUp called for each response that is given up
   */
  constructor(timeoutMs: number, now: () => number, onGiveUp: () => void = () => {}) {
    this.#onGiveUp = onGiveUp;
    this.#timeoutMs = timeoutMs;
    this.#now = now;
  }

  /** Watches a response until it was delivered, or was given up. */
  watch(response: WatchedResponse): void {
    const { body, call, connection } = response;
    if (connection?.watchReader !== undefined) {
      // The server watches all its responses. It closes the connection, which cancels the call.
      connection.watchReader({
        get taken() {
          return body.taken;
        },
        get hasUnread() {
          // After the end of the body, the client must take what the system buffers.
          return body.hasUnread || call.isOver;
        },
        onGiveUp: this.#onGiveUp,
      });
      return;
    }
    const progress: Progress = { ...response, taken: 0, at: this.#now() };
    this.#open.add(progress);
    const remove = () => this.#remove(progress);
    connection?.completed.then(remove, remove);
    if (this.#timer !== undefined) return;
    const interval = Math.max(10, Math.min(CHECK_MS, this.#timeoutMs / 4));
    this.#timer = setInterval(() => this.check(), interval);
    Deno.unrefTimer(Number(this.#timer));
  }

  /** Gives up the responses whose time has passed. Called at intervals. */
  check(): void {
    const now = this.#now();
    for (const progress of this.#open) {
      const { body, call, connection } = progress;
      if (call.isOver && !body.hasUnread && connection === undefined) {
        this.#remove(progress);
        continue;
      }
      // After the end of the body, the client must take what the system buffers.
      const isWaiting = body.hasUnread || call.isOver;
      if (!isWaiting || body.taken !== progress.taken) {
        progress.taken = body.taken;
        progress.at = now;
        continue;
      }
      if (now - progress.at < this.#timeoutMs) continue;
      this.#remove(progress);
      this.#onGiveUp();
      const reason = new UnreadResponseError(`the reader took nothing for ${this.#timeoutMs} ms`);
      call.cancel(reason);
      // The call is over if the plugin has sent all of the body.
      body.fail(reason);
    }
  }

  #remove(progress: Progress): void {
    this.#open.delete(progress);
    if (this.#open.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }
}
