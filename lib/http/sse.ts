/**
 * Server-sent events (WHATWG HTML §9.2): events as bytes, and a stream that hands them to one
 * reader. Nothing a world holds may break out of its `data:` lines, and a reader who does not keep
 * up costs a bounded number of bytes and then its connection. No timers live here.
 */

import { MAX_STREAM_LAG_BYTES } from "../limits.ts";

/** The fields of one event; what is absent is not sent. */
export interface ServerSentEvent {
  readonly event?: string;
  /** Becomes the reader's `Last-Event-ID`. */
  readonly id?: string;
  /** May hold any line breaks; the reader gets them all as LF. */
  readonly data?: string;
  /** Milliseconds the reader shall wait before it connects again. */
  readonly retry?: number;
}

const encoder = new TextEncoder();
const LINE_BREAK = /\r\n|\r|\n/;
// deno-lint-ignore no-control-regex -- NUL, CR and LF are what is looked for
const UNSAFE = /[\u0000\r\n]/;

/**
 * Encodes one event as it goes on the wire. The same bytes may be sent to any number of readers.
 *
 * @throws {TypeError} when `event` or `id` holds a NUL or a line break, which would let it forge
 * other fields or lose the id, or when `retry` is no whole number of milliseconds
 */
export function encodeEvent(event: ServerSentEvent): Uint8Array<ArrayBuffer> {
  let text = "";
  if (event.event !== undefined) text += `event: ${assertOneLine("event", event.event)}\n`;
  if (event.id !== undefined) text += `id: ${assertOneLine("id", event.id)}\n`;
  if (event.retry !== undefined) {
    if (!Number.isSafeInteger(event.retry) || event.retry < 0) {
      throw new TypeError(`Cannot encode retry: ${event.retry} is no whole number of milliseconds`);
    }
    text += `retry: ${event.retry}\n`;
  }
  if (event.data !== undefined) text += lines("data: ", event.data);
  return encoder.encode(text + "\n");
}

/** Encodes a comment, which every reader ignores: heartbeats are comments. */
export function encodeComment(text = ""): Uint8Array<ArrayBuffer> {
  return encoder.encode(lines(": ", text) + "\n");
}

function assertOneLine(field: string, value: string): string {
  if (UNSAFE.test(value)) {
    throw new TypeError(`Cannot encode ${field}: it holds a NUL or a line break`);
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
  | "cancelled" // the reader went away
  | "closed" // `close()` was called
  | "lagged"; // the reader did not keep up and was dropped

interface Queued {
  readonly bytes: Uint8Array;
  next: Queued | undefined;
}

/**
 * One reader's stream of already encoded events. Pass `readable` to a Response. It learns that the
 * reader left from the stream's cancellation alone: `request.signal` also aborts after success.
 *
 * The queue is its own and not the stream's, because a stream can forget what it queued only by
 * failing, which the server would report as an error of its own. A dropped reader sees its stream
 * end between two events and connects again with `Last-Event-ID`.
 */
export class EventStream {
  /** The response body. */
  readonly readable: ReadableStream<Uint8Array>;
  readonly #limit: number;
  readonly #onClose: ((end: StreamEnd) => void) | undefined;
  #controller: ReadableStreamDefaultController<Uint8Array> | undefined;
  #open = true;
  /** The reader waits for bytes and the queue had none. */
  #wanted = false;
  #first: Queued | undefined;
  #last: Queued | undefined;
  #lag = 0;

  /**
   * @param onClose called exactly once, when the stream ends for whatever reason; it may be called
   * from within `send` and `close`
   * @param limit bytes the reader may lag behind
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
        this.#forget();
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
   * Queues bytes for the reader and never waits. A reader who would then lag more than the limit is
   * dropped and what was queued is freed at once. A single event larger than the limit still goes to
   * a reader who has taken everything before it.
   *
   * @param bytes whole events, which must not be changed afterwards
   * @returns false when the stream has ended, by this call or before
   */
  send(bytes: Uint8Array): boolean {
    if (!this.#open) return false;
    if (this.#wanted) {
      this.#wanted = false;
      this.#controller?.enqueue(bytes);
      return true;
    }
    if (this.#lag > 0 && this.#lag + bytes.length > this.#limit) {
      this.#forget();
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

  /** Takes no more events and ends the stream once the reader has what is queued. Idempotent. */
  close(): void {
    if (!this.#open) return;
    if (this.#first === undefined) this.#finish();
    this.#end("closed");
  }

  /** Hands the reader, who asks for more, the oldest queued event. */
  #pull(): void {
    const queued = this.#first;
    if (queued === undefined) {
      this.#wanted = true;
      return;
    }
    this.#first = queued.next;
    if (this.#first === undefined) this.#last = undefined;
    this.#lag -= queued.bytes.length;
    this.#controller?.enqueue(queued.bytes);
    if (!this.#open && this.#first === undefined) this.#finish();
  }

  #forget(): void {
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
