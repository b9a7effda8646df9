/**
 * Server-sent events (WHATWG HTML §9.2): encodes events as bytes and sends them to one reader as a
 * stream. Content of a world must not be able to leave its `data:` lines. A reader that is too slow
 * costs a bounded amount of memory and is then disconnected. This module uses no timers.
 */

import { MAX_STREAM_LAG_BYTES } from "../limits.ts";

/** The fields of one event. Absent fields are not sent. */
export interface ServerSentEvent {
  readonly event?: string;
  /** Becomes the `Last-Event-ID` of the reader. */
  readonly id?: string;
  /** May contain any line breaks; the reader receives each as LF. */
  readonly data?: string;
  /** Milliseconds that the reader waits before it reconnects. */
  readonly retry?: number;
}

const encoder = new TextEncoder();
const LINE_BREAK = /\r\n|\r|\n/;
// deno-lint-ignore no-control-regex -- the pattern must match NUL, CR and LF
const UNSAFE = /[\u0000\r\n]/;

/**
 * Encodes one event for the wire. The same bytes can be sent to any number of readers.
 *
 * @param event the fields; `event` and `id` are one line each
 * @throws {TypeError} if `event` or `id` contains a NUL or a line break, which could forge other
 * fields or drop the id, or if `retry` is not a whole number of milliseconds
 *
 * @example
 * ```ts
 * import { strictEqual } from "node:assert/strict";
 * import { encodeEvent } from "./sse.ts";
 *
 * const bytes = encodeEvent({ event: "change", id: "7", data: "one\ntwo" });
 * strictEqual(new TextDecoder().decode(bytes), "event: change\nid: 7\ndata: one\ndata: two\n\n");
 * ```
 */
export function encodeEvent(event: ServerSentEvent): Uint8Array<ArrayBuffer> {
  let text = "";
  if (event.event !== undefined) text += `event: ${assertOneLine("event", event.event)}\n`;
  if (event.id !== undefined) text += `id: ${assertOneLine("id", event.id)}\n`;
  if (event.retry !== undefined) {
    if (!Number.isSafeInteger(event.retry) || event.retry < 0) {
      throw new TypeError(
        `Cannot encode retry: ${event.retry} is not a whole number of milliseconds`,
      );
    }
    text += `retry: ${event.retry}\n`;
  }
  if (event.data !== undefined) text += lines("data: ", event.data);
  return encoder.encode(text + "\n");
}

/**
 * Encodes a comment, which readers ignore. Heartbeats are comments.
 *
 * @param text the comment; may contain line breaks
 *
 * @example
 * ```ts
 * import { strictEqual } from "node:assert/strict";
 * import { encodeComment } from "./sse.ts";
 *
 * strictEqual(new TextDecoder().decode(encodeComment("heartbeat")), ": heartbeat\n\n");
 * ```
 */
export function encodeComment(text = ""): Uint8Array<ArrayBuffer> {
  return encoder.encode(lines(": ", text) + "\n");
}

function assertOneLine(field: string, value: string): string {
  if (UNSAFE.test(value)) {
    throw new TypeError(`Cannot encode ${field}: it contains a NUL or a line break`);
  }
  return value;
}

function lines(prefix: string, text: string): string {
  if (!LINE_BREAK.test(text)) return `${prefix}${text}\n`;
  let out = "";
  for (const line of text.split(LINE_BREAK)) out += `${prefix}${line}\n`;
  return out;
}

/** Why an {@link EventStream} ended. */
export type StreamEnd =
  | "cancelled" // the reader disconnected
  | "closed" // `close()` was called
  | "lagged"; // the reader was too slow and was disconnected

interface QueuedBytes {
  readonly bytes: Uint8Array;
  next: QueuedBytes | undefined;
}

/**
 * The event stream of one reader: a queue of encoded events with a byte limit.
 *
 * - Pass `readable` to a Response as its body.
 * - `send` never waits. It queues bytes until the reader takes them.
 * - A reader that lags more than the limit is disconnected. Its stream ends between two events, so
 *   it can reconnect with `Last-Event-ID`.
 * - A disconnect is detected by the cancellation of the stream only: `request.signal` also aborts
 *   after success (Deno 2.9.6).
 *
 * The queue is separate from the ReadableStream, because a ReadableStream can discard its queue
 * only by an error, which Deno would report as an error of the server.
 */
export class EventStream {
  /** The response body. */
  readonly readable: ReadableStream<Uint8Array>;
  readonly #limit: number;
  readonly #onClose: ((end: StreamEnd) => void) | undefined;
  #controller: ReadableStreamDefaultController<Uint8Array> | undefined;
  #open = true;
  /** The reader waits for bytes and the queue is empty. */
  #readerWaits = false;
  #first: QueuedBytes | undefined;
  #last: QueuedBytes | undefined;
  #lag = 0;

  /**
   * @param onClose called exactly once, when the stream ends for any reason; may be called during
   * `send` and `close`
   * @param limit bytes that the reader may lag behind
   */
  constructor(onClose?: (end: StreamEnd) => void, limit = MAX_STREAM_LAG_BYTES) {
    this.#onClose = onClose;
    this.#limit = limit;
    this.readable = new ReadableStream<Uint8Array>({
      start: (controller) => {
        this.#controller = controller;
      },
      pull: () => this.#pull(),
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

  /** Bytes that were sent and that the reader has not taken yet. */
  get lagBytes(): number {
    return this.#lag;
  }

  /**
   * Queues bytes for the reader and never waits. If the reader would then lag more than the limit,
   * it is disconnected and the queue is freed. One event larger than the limit is still sent to a
   * reader that has taken everything before it.
   *
   * @param bytes whole events; must not be changed afterwards
   * @returns false if the stream has ended, before or during this call
   */
  send(bytes: Uint8Array): boolean {
    if (!this.#open) return false;
    if (this.#readerWaits) {
      this.#readerWaits = false;
      this.#controller?.enqueue(bytes);
      return true;
    }
    if (this.#lag > 0 && this.#lag + bytes.length > this.#limit) {
      this.#clearQueue();
      this.#finish();
      this.#end("lagged");
      return false;
    }
    const queued = { bytes, next: undefined };
    if (this.#last === undefined) this.#first = queued;
    else this.#last.next = queued;
    this.#last = queued;
    this.#lag += bytes.length;
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

  /** Passes the oldest queued event to the reader, which asked for more. */
  #pull(): void {
    const queued = this.#first;
    if (queued === undefined) {
      this.#readerWaits = true;
      return;
    }
    this.#first = queued.next;
    if (this.#first === undefined) this.#last = undefined;
    this.#lag -= queued.bytes.length;
    this.#controller?.enqueue(queued.bytes);
    if (!this.#open && this.#first === undefined) this.#finish();
  }

  #clearQueue(): void {
    this.#first = this.#last = undefined;
    this.#lag = 0;
  }

  #finish(): void {
    this.#controller?.close();
    this.#controller = undefined;
  }

  #end(end: StreamEnd): void {
    if (!this.#open) return;
    this.#open = false;
    this.#onClose?.(end);
  }
}
