/**
 * Notices that a caller went away. The runtime tells it in two ways, each of which is half the truth:
 * `completed` rejects when a response could not be delivered, and stays silent before there is one;
 * `request.signal` aborts before, and also after a response that was delivered (deno#27005).
 */

import type { Connection } from "../../request/request_context.ts";
import { SlowTimer, type SlowTimerEntry } from "./slow_timer.ts";

/** What is known of a caller beside their request. */
export interface CallerConnection {
  /** The connection a request came by; absent for a request that came by none. */
  readonly connection?: Pick<Connection, "completed">;
  /** The request as the server made it, where the one that is passed on is another. */
  readonly originalRequest?: Request;
}

/** A caller who is watched. */
export interface DisconnectWatch {
  /**
   * The response's head is there: from now on `completed` tells it all.
   *
   * @param whole nothing of the response is still to come, so that nobody need be told of anything
   */
  markResponded(whole: boolean): void;
}

/** Answers that come sooner than this cost no look at the signal, which the runtime makes when asked. */
const PATIENCE_MS = 50;
const patience = new SlowTimer(PATIENCE_MS);

/** Calls `gone` once when the caller goes away. */
export function onClientDisconnect(
  request: Request,
  { connection, originalRequest: origin = request }: CallerConnection,
  gone: () => void,
): DisconnectWatch {
  if (connection !== undefined) return new WatchedConnection(connection, origin, gone);
  listen(origin.signal, gone);
  return { markResponded: () => undefined };
}

class WatchedConnection implements DisconnectWatch, SlowTimerEntry {
  index = -1;
  hasTicked = false;
  readonly #connection: Pick<Connection, "completed">;
  readonly #origin: Request;
  readonly #gone: () => void;
  #left = false;
  #signal: AbortSignal | undefined;
  #listener: (() => void) | undefined;

  constructor(connection: Pick<Connection, "completed">, origin: Request, gone: () => void) {
    this.#connection = connection;
    this.#origin = origin;
    this.#gone = gone;
    patience.add(this);
  }

  onSlow(): void {
    this.#listener = () => this.#leave();
    this.#signal = this.#origin.signal;
    listen(this.#signal, this.#listener);
  }

  markResponded(whole: boolean): void {
    patience.remove(this);
    if (this.#listener) this.#signal?.removeEventListener("abort", this.#listener);
    if (!whole) this.#connection.completed.catch(() => this.#leave());
  }

  #leave(): void {
    if (this.#left) return;
    this.#left = true;
    this.#gone();
  }
}

function listen(signal: AbortSignal, leave: () => void): void {
  if (signal.aborted) leave();
  else signal.addEventListener("abort", leave, { once: true });
}
