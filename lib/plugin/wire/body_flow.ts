/**
 * Bodies in both directions as pieces with credit: a sender may be `CELL_WINDOW_BYTES` ahead of what
 * the reader has taken and no further, so a body of any length needs a bounded amount of memory. Used
 * at both ends of the wire; it knows streams and numbers, no frames.
 */

import { CELL_CHUNK_BYTES, CELL_WINDOW_BYTES } from "../../limits.ts";

/** Where a {@link OutboundBody} puts what it read. */
export interface BodySink {
  onChunk(bytes: Uint8Array): void;
  onEnd(): void;
  /** The source broke off; nothing follows. */
  onError(error: unknown): void;
}

/** Reads pieces one after the other; a piece is whole until the next is asked for, and no longer. */
interface Pieces {
  read(): Promise<{ readonly done: boolean; readonly value?: Uint8Array | undefined }>;
  cancel(reason: unknown): Promise<void>;
}

/** Reads a stream and hands it on in pieces, as far as the other end gave credit. */
export class OutboundBody {
  readonly #reader: Pieces;
  readonly #sink: BodySink;
  #credit = CELL_WINDOW_BYTES;
  #wake: (() => void) | undefined;
  #over = false;

  /**
   * @param sink copies what it keeps of a piece beyond the call
   * @param reuse read through one buffer where the stream can: what is read would otherwise pile up
   * until the collector comes, 46 MB over an upload of 200 in place of 8
   */
  constructor(stream: ReadableStream<Uint8Array>, sink: BodySink, reuse = false) {
    this.#reader = reuse ? throughOneBuffer(stream) : stream.getReader();
    this.#sink = sink;
    void this.#pump();
  }

  /** The other end has taken that many bytes. False when it was sent nothing that it could take. */
  addCredit(bytes: number): boolean {
    if (bytes === 0 || this.#credit === CELL_WINDOW_BYTES) return false;
    this.#credit = Math.min(this.#credit + bytes, CELL_WINDOW_BYTES);
    this.#wake?.();
    return true;
  }

  /** Nobody wants the rest; the source is told why and the sink hears nothing more. */
  cancel(reason: Error): void {
    if (this.#over) return;
    this.#over = true;
    this.#wake?.();
    // A source that cannot be cancelled has nothing left that anybody waits for.
    this.#reader.cancel(reason).catch(ignore);
  }

  async #pump(): Promise<void> {
    try {
      while (!this.#over) {
        const { done, value } = await this.#reader.read();
        if (this.#over) return;
        if (done) break;
        if (!(value instanceof Uint8Array)) {
          throw new TypeError("Cannot send a body: its stream gave something that is not bytes");
        }
        for (let at = 0; at < value.length; at += CELL_CHUNK_BYTES) {
          const piece = value.subarray(at, at + CELL_CHUNK_BYTES);
          while (this.#credit < piece.length) {
            await new Promise<void>((resolve) => this.#wake = resolve);
            this.#wake = undefined;
            if (this.#over) return;
          }
          this.#credit -= piece.length;
          this.#sink.onChunk(piece);
        }
      }
      if (this.#over) return;
      this.#over = true;
      this.#sink.onEnd();
    } catch (error) {
      if (this.#over) return;
      this.#over = true;
      this.#reader.cancel(error).catch(ignore);
      this.#sink.onError(error);
    }
  }
}

/** Takes pieces as they arrive and gives them out as a stream, returning credit as it is read. */
export class InboundBody {
  readonly stream: ReadableStream<Uint8Array<ArrayBuffer>>;
  #controller: ReadableStreamDefaultController<Uint8Array<ArrayBuffer>> | undefined;
  #queue: Uint8Array<ArrayBuffer>[] = [];
  #head = 0;
  #wanted: (() => void) | undefined;
  #allowed = CELL_WINDOW_BYTES;
  #taken = 0;
  #ended = false;
  #closed = false;
  readonly #grant: (bytes: number) => void;
  readonly #over: (cancelled: boolean) => void;

  /**
   * @param grant called with the bytes the reader has taken since the last call
   * @param over called once, when the reader has everything or has gone away
   */
  constructor(grant: (bytes: number) => void, over: (cancelled: boolean) => void) {
    this.#grant = grant;
    this.#over = over;
    this.stream = new ReadableStream({
      start: (controller) => {
        this.#controller = controller;
      },
      pull: () => this.#pull(),
      cancel: () => {
        if (this.#closed) return;
        this.#closed = true;
        this.#queue = [];
        this.#over(true);
      },
    }, { highWaterMark: 0 });
  }

  /** Takes a copy of a piece; false when it is more than credit was given for, or comes after the end. */
  push(bytes: Uint8Array<ArrayBuffer>): boolean {
    if (this.#ended || bytes.length === 0) return false;
    if (this.#closed) return true;
    this.#allowed -= bytes.length;
    if (this.#allowed < 0) return false;
    this.#queue[this.#queue.length] = bytes.slice();
    this.#wanted?.();
    return true;
  }

  /** The body is complete. False when it already was. */
  end(): boolean {
    if (this.#ended) return false;
    this.#ended = true;
    this.#wanted?.();
    // A reader that is not pulling learns of the end at once when nothing is left for it.
    if (this.#head === this.#queue.length) this.#close();
    return true;
  }

  /** The body broke off: whoever reads it gets `error`, also for what was still waiting. */
  fail(error: Error): void {
    this.#ended = true;
    if (this.#closed) return;
    this.#closed = true;
    this.#queue = [];
    this.#controller?.error(error);
    this.#wanted?.();
    this.#over(false);
  }

  #close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#controller?.close();
    this.#over(false);
  }

  async #pull(): Promise<void> {
    if (this.#head === this.#queue.length && !this.#ended && !this.#closed) {
      await new Promise<void>((resolve) => this.#wanted = resolve);
      this.#wanted = undefined;
    }
    if (this.#closed) return;
    const bytes = this.#queue[this.#head];
    if (bytes === undefined) return this.#close();
    this.#head++;
    if (this.#head === this.#queue.length) {
      this.#queue = [];
      this.#head = 0;
    }
    this.#controller?.enqueue(bytes);
    this.#taken += bytes.length;
    if (this.#ended && this.#queue.length === 0) return this.#close();
    if (this.#taken >= CELL_WINDOW_BYTES / 2) {
      this.#allowed += this.#taken;
      this.#grant(this.#taken);
      this.#taken = 0;
    }
  }
}

function throughOneBuffer(stream: ReadableStream<Uint8Array>): Pieces {
  let reader: ReadableStreamBYOBReader;
  try {
    reader = stream.getReader({ mode: "byob" });
  } catch (error) {
    // A stream of pieces as they come has no bytes to be read into a buffer (WHATWG Streams §4.2.4).
    if (!(error instanceof TypeError) || stream.locked) throw error;
    return stream.getReader();
  }
  let buffer = new ArrayBuffer(CELL_CHUNK_BYTES);
  return {
    async read() {
      const piece = await reader.read(new Uint8Array(buffer));
      // A cancelled read gives no buffer back, and there is nothing more to read then.
      if (piece.value !== undefined) buffer = piece.value.buffer;
      return piece;
    },
    cancel: (reason) => reader.cancel(reason),
  };
}

/** For a cancel that is rejected, which changes nothing: the stream is over either way. */
export function ignore(): void {}
