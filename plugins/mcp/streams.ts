/**
 * Open event streams (`text/event-stream`). A stream makes its next event only when the client has taken
 * the one before, so a slow client costs no memory.
 */

import { Problem } from "../kit/problem.ts";
import type { Members } from "./json_rpc.ts";
import { HEARTBEAT_SECONDS, MAX_STREAMS, MAX_STREAMS_PER_CALLER } from "./limits.ts";

/** A comment, which keeps the connection open. */
export const HEARTBEAT = ": \n\n";

/** Makes the events of one stream; it must end when the signal is aborted. */
export type StreamEvents = (signal: AbortSignal) => AsyncGenerator<string, void, void>;

/** The open streams, with limits in total and per caller. */
export class OpenStreams {
  readonly #open = new Map<AbortController, string>();

  /** Number of open streams. */
  get size(): number {
    return this.#open.size;
  }

  /**
   * Opens a stream.
   *
   * @param by who opens it
   * @param signal ends the stream
   * @param events makes its events
   * @param onEnd called once when it has ended
   * @returns the response, and a function that ends the stream
   * @throws {Problem} `too-many-requests`, `unavailable`
   */
  open(
    by: string,
    signal: AbortSignal,
    events: StreamEvents,
    onEnd: () => void = () => {},
  ): { readonly response: Response; readonly close: () => void } {
    this.#assertRoom(by);
    const stop = new AbortController();
    this.#open.set(stop, by);
    const source = events(AbortSignal.any([signal, stop.signal]));
    const end = (): void => {
      if (this.#open.delete(stop)) onEnd();
      stop.abort();
    };
    const encoder = new TextEncoder();
    const body = new ReadableStream<Uint8Array>({
      async pull(controller) {
        try {
          const { value, done } = await source.next();
          if (done !== true) return controller.enqueue(encoder.encode(value));
        } catch (error) {
          if (!stop.signal.aborted && !signal.aborted) console.error("a stream failed:", error);
        }
        end();
        controller.close();
      },
      async cancel() {
        end();
        await source.return();
      },
    }, { highWaterMark: 0 });
    const response = new Response(body, {
      headers: {
        "content-type": "text/event-stream",
        "cache-control": "no-store",
        "x-accel-buffering": "no",
      },
    });
    return { response, close: end };
  }

  #assertRoom(by: string): void {
    const own = [...this.#open.values()].filter((other) => other === by).length;
    const retry = { "retry-after": String(HEARTBEAT_SECONDS) };
    if (own >= MAX_STREAMS_PER_CALLER) {
      const detail = `Cannot open a stream: the caller has ${own}; close one first`;
      throw new Problem("too-many-requests", detail, retry);
    }
    if (this.#open.size < MAX_STREAMS) return;
    const detail = `Cannot open a stream: ${MAX_STREAMS} are open; try again later`;
    throw new Problem("unavailable", detail, retry);
  }
}

/**
 * Formats a message as an event (WHATWG HTML §9.2).
 *
 * @param id id of the event, without line ends
 */
export function messageEvent(message: Members, id?: string): string {
  // JSON text has no line ends.
  const start = id === undefined ? "" : `id: ${id}\n`;
  return `${start}event: message\ndata: ${JSON.stringify(message)}\n\n`;
}

/** Waits; ends early if the signal is aborted. */
export function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    const done = (): void => {
      clearTimeout(timer);
      signal.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal.addEventListener("abort", done);
  });
}
