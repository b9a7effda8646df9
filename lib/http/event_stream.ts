/**
 * Sends encoded server-sent events to one reader as a stream. A reader that is too slow costs a
 * bounded amount of memory and is then disconnected. This module uses no timers.
 */

import { MAX_STREAM_LAG_BYTES } from "../limits.ts";
import type { BufferBudget, BufferedReader } from "./buffer_budget.ts";
import type { Pieces } from "./pieces.ts";

/** Why an {@link EventStream} ended. */
export type StreamEnd =
  | "cancelled" // the reader disconnected
  | "closed" // `close()` or `abort()` was called
  | "lagged"; // the reader was too slow and was disconnected

interface QueuedEvent {
  readonly pieces: Pieces;
  readonly length: number;
  next: QueuedEvent | undefined;
}

/** Options of an {@link EventStream}. */
export interface EventStreamOptions {
  /**
   * Called exactly once, when the stream ends for any reason; may be called during `send`, `close`
   * and `abort`.
   */
  readonly onClose?: (end: StreamEnd) => void;
  /** Bytes that the reader may lag behind; the default is {@link MAX_STREAM_LAG_BYTES}. */
  readonly limit?: number;
  /** The common limit of all readers. */
  readonly budget?: BufferBudget;
}

/**
 * The event stream of one reader: a queue of encoded events with a byte limit.
 *
 * - Pass `readable` to a Response as its body.
 * - `send` never waits. It queues bytes until the reader takes them.
 * - The queue refers to the caller's pieces, which any number of streams share. The reader gets one
 *   piece at a time.
 * - A reader that lags more than the limit is disconnected. It can reconnect with `Last-Event-ID`.
 * - A disconnect is detected by the cancellation of the stream only: `request.signal` also aborts
 *   after success (Deno 2.9.6).
 *
 * The queue is separate from the ReadableStream, because a ReadableStream can discard its queue
 * only by an error, which Deno would report as an error of the server.
 *
 * @example
 * ```ts
 * import { strictEqual } from "node:assert/strict";
 * import { EventStream } from "./event_stream.ts";
 * import { splitIntoPieces } from "./pieces.ts";
 * import { encodeEvent } from "./sse.ts";
 *
 * const stream = new EventStream();
 * stream.send(splitIntoPieces(encodeEvent({ data: "hello" })));
 * stream.close();
 * strictEqual(await new Response(stream.readable).text(), "data: hello\n\n");
 * ```
 */
export class EventStream implements BufferedReader {
  /** The response body. */
  readonly readable: ReadableStream<Uint8Array<ArrayBuffer>>;
  readonly #limit: number;
  readonly #onClose: ((end: StreamEnd) => void) | undefined;
  readonly #budget: BufferBudget | undefined;
  #controller: ReadableStreamDefaultController<Uint8Array<ArrayBuffer>> | undefined;
  #open = true;
  /** The reader waits for bytes and the queue is empty. */
  #readerWaits = false;
  #first: QueuedEvent | undefined;
  #last: QueuedEvent | undefined;
  /** Pieces of the first event that the reader has taken. */
  #taken = 0;
  #pulls = 0;
  #lag = 0;
  #drained: PromiseWithResolvers<void> | undefined;

  constructor({ onClose, limit = MAX_STREAM_LAG_BYTES, budget }: EventStreamOptions = {}) {
    this.#onClose = onClose;
    this.#limit = limit;
    this.#budget = budget;
    this.readable = new ReadableStream<Uint8Array<ArrayBuffer>>({
      start: (controller) => {
        this.#controller = controller;
      },
      pull: () => {
        this.#pulls++;
        this.#pull();
      },
      cancel: () => {
        this.#clearQueue();
        this.#controller = undefined;
        this.#end("cancelled");
      },
    }, { highWaterMark: 0 });
  }

  /** Whether `send` can still reach the reader. */
  get isOpen(): boolean {
    return this.#open;
  }

  /** How often the reader has asked for more. */
  get taken(): number {
    return this.#pulls;
  }

  /** Whether something waits for the reader: bytes, or the end of the stream. */
  get hasUnread(): boolean {
    return !this.#readerWaits || this.#controller === undefined;
  }

  /** Bytes that were sent and that the reader has not taken yet. */
  get lagBytes(): number {
    return this.#lag;
  }

  /**
   * Waits until the reader has taken everything that was sent, or until the stream has ended.
   *
   * @returns undefined if there is nothing to wait for
   */
  drained(): Promise<void> | undefined {
    if (!this.#open || this.#first === undefined) return undefined;
    return (this.#drained ??= Promise.withResolvers<void>()).promise;
  }

  /**
   * Queues bytes for the reader and never waits. If the reader would then lag more than the limit,
   * it is disconnected and the queue is freed. One event larger than the limit is still sent to a
   * reader that has taken everything before it.
   *
   * @param pieces whole events; must not be changed afterwards
   * @returns false if the stream has ended, before or during this call
   */
  send(pieces: Pieces): boolean {
    if (!this.#open) return false;
    const [first] = pieces;
    if (this.#readerWaits && pieces.length === 1 && first !== undefined) {
      this.#readerWaits = false;
      this.#controller?.enqueue(first);
      return true;
    }
    const length = pieces.reduce((sum, piece) => sum + piece.length, 0);
    if (this.#lag > 0 && this.#lag + length > this.#limit) {
      this.disconnect();
      return false;
    }
    const queued = { pieces, length, next: undefined };
    if (this.#last === undefined) this.#first = queued;
    else this.#last.next = queued;
    this.#last = queued;
    this.#lag += length;
    this.#budget?.hold(this, pieces, length);
    if (this.#readerWaits) {
      this.#readerWaits = false;
      this.#pull();
    }
    return true;
  }

  /**
   * Accepts no more events and ends the stream after the reader has taken the queue. Idempotent.
   */
  close(): void {
    if (!this.#open) return;
    if (this.#first === undefined) this.#finish();
    this.#end("closed");
  }

  /** Ends the stream now: the reader gets nothing of what is queued. Idempotent. */
  abort(): void {
    this.#clearQueue();
    this.#finish();
    this.#end("closed");
  }

  /** Ends the stream of a reader that is too slow, and frees its queue. Idempotent. */
  disconnect(): void {
    this.#clearQueue();
    this.#finish();
    this.#end("lagged");
  }

  /** Passes the next piece of the oldest event to the reader, which asked for more. */
  #pull(): void {
    const queued = this.#first;
    if (queued === undefined) {
      this.#readerWaits = true;
      return;
    }
    const { pieces, length } = queued;
    const piece = pieces[this.#taken++];
    this.#lag -= piece?.length ?? 0;
    if (this.#taken >= pieces.length) {
      this.#taken = 0;
      this.#first = queued.next;
      if (this.#first === undefined) this.#last = undefined;
      this.#budget?.release(pieces, length);
    }
    this.#budget?.took(this, this.#first !== undefined);
    if (piece !== undefined) this.#controller?.enqueue(piece);
    if (this.#first !== undefined) return;
    this.#resolveDrained();
    if (!this.#open) this.#finish();
  }

  #clearQueue(): void {
    for (let queued = this.#first; queued !== undefined; queued = queued.next) {
      this.#budget?.release(queued.pieces, queued.length);
    }
    this.#budget?.took(this, false);
    this.#first = this.#last = undefined;
    this.#lag = this.#taken = 0;
  }

  #resolveDrained(): void {
    this.#drained?.resolve();
    this.#drained = undefined;
  }

  #finish(): void {
    this.#controller?.close();
    this.#controller = undefined;
  }

  #end(end: StreamEnd): void {
    this.#resolveDrained();
    if (!this.#open) return;
    this.#open = false;
    this.#onClose?.(end);
  }
}
