/**
 * Detects that the client of a request has disconnected. Deno reports this in two ways, and neither
 * is sufficient: `completed` rejects if a response cannot be delivered, but reports nothing before
 * there is a response; `request.signal` aborts before the response, but also after a delivered one
 * (deno#27005). A delivered response must not be reported as a disconnect.
 */

import { DISCONNECT_SIGNAL_DELAY_MS } from "../../cell_limits.ts";
import type { Connection } from "../../request/request_context.ts";
import { SlowTimer, type SlowTimerEntry } from "./slow_timer.ts";

/** The connection of a request. */
export interface CallerConnection {
  /** The client's connection; absent for a subrequest of a plugin. */
  readonly connection?: Pick<Connection, "completed" | "receiveBody" | "watchReader">;
  /** The request as Deno created it, if the forwarded one is a copy. */
  readonly originalRequest?: Request;
}

/** An active watch. */
export interface DisconnectWatch {
  /**
   * Must be called when the response head is known. From then on only `completed` is observed.
   *
   * @param isComplete whether the response is complete; then a disconnect needs no report
   */
  markResponded(isComplete: boolean): void;
}

const slowTimer = new SlowTimer(DISCONNECT_SIGNAL_DELAY_MS);

/**
 * Calls `onDisconnect` once if the client disconnects before it has the whole response.
 *
 * @param request the forwarded request
 * @returns the watch; call `markResponded` when the response head is known
 */
export function onClientDisconnect(
  request: Request,
  { connection, originalRequest = request }: CallerConnection,
  onDisconnect: () => void,
): DisconnectWatch {
  if (connection !== undefined) {
    return new WatchedConnection(connection, originalRequest, onDisconnect);
  }
  listen(originalRequest.signal, onDisconnect);
  return { markResponded: () => undefined };
}

class WatchedConnection implements DisconnectWatch, SlowTimerEntry {
  index = -1;
  hasTicked = false;
  readonly #connection: Pick<Connection, "completed">;
  readonly #originalRequest: Request;
  readonly #onDisconnect: () => void;
  #isDisconnected = false;
  #signal: AbortSignal | undefined;
  #listener: (() => void) | undefined;

  constructor(
    connection: Pick<Connection, "completed">,
    originalRequest: Request,
    onDisconnect: () => void,
  ) {
    this.#connection = connection;
    this.#originalRequest = originalRequest;
    this.#onDisconnect = onDisconnect;
    slowTimer.add(this);
  }

  onSlow(): void {
    this.#listener = () => this.#disconnect();
    this.#signal = this.#originalRequest.signal;
    listen(this.#signal, this.#listener);
  }

  markResponded(isComplete: boolean): void {
    slowTimer.remove(this);
    if (this.#listener) this.#signal?.removeEventListener("abort", this.#listener);
    if (!isComplete) this.#connection.completed.catch(() => this.#disconnect());
  }

  #disconnect(): void {
    if (this.#isDisconnected) return;
    this.#isDisconnected = true;
    this.#onDisconnect();
  }
}

function listen(signal: AbortSignal, onAbort: () => void): void {
  if (signal.aborted) onAbort();
  else signal.addEventListener("abort", onAbort, { once: true });
}
