/**
 * The wire between the server and a cell: frames, what they may hold, and how bytes become frames.
 * Both ends run this file, and neither believes the other: every length is checked before memory is
 * taken for it and every head is validated. Nothing here knows processes, Workers or plugins.
 *
 * A frame is `u32 length, u8 verb, u8 side, u32 id, payload` in little endian, where `length` counts
 * what follows it and `side` says who opened the exchange that `id` belongs to.
 */

import { MAX_CELL_FRAME_BYTES, MAX_CELL_HEAD_BYTES } from "../../limits.ts";

/** What a frame says. */
export const VERB = {
  /** Opens an exchange: a head, then the body when it travels with the head. */
  REQUEST: 1,
  /** Answers it: a head, then the body when it travels with the head. */
  RESPONSE: 2,
  /** A piece of the sender's body of this exchange. */
  CHUNK: 3,
  /** The sender's body is complete. */
  END: 4,
  /** The sender's body, or its answer, broke off; the payload says why. */
  FAIL: 5,
  /** The sender has consumed that many bytes (u32) of the other's body. */
  CREDIT: 6,
  /** From the opener: it went away. From the answerer: it wants no more of the request body. */
  CANCEL: 7,
  /** From the cell: work of this request may outlive its response (`waitUntil`); it is done. */
  HOLD: 16,
  DONE: 8,
  /** Heartbeat and its answer; `id` counts. */
  PING: 9,
  PONG: 10,
  /** From the cell: the plugin is loaded, or could not be (the payload says why). */
  READY: 11,
  UNFIT: 12,
  /** A console line; `id` is the level (0 log, 1 warn, 2 error). */
  LOG: 13,
  /** First frame to a cell process: what to run, as JSON. May exceed the ordinary frame length. */
  INIT: 14,
  /** From the cell process itself: its resident memory in KiB as `id`. */
  RESIDENT: 15,
} as const;

/** Who opened an exchange. */
export const SIDE = { HOST: 0, CELL: 1 } as const;
/** One of {@link SIDE}. */
export type Side = 0 | 1;

/** The other end broke the rules of the wire; it is not to be talked to any further. */
export class ProtocolError extends Error {
  override readonly name = "ProtocolError";
}

/** One frame as it was read. `payload` is valid until `take` returns; who keeps it copies it. */
export interface Frame {
  readonly verb: number;
  readonly side: number;
  readonly id: number;
  readonly payload: Uint8Array<ArrayBuffer>;
}

const PREFIX = 4;
const FIXED = 6;
const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true });
const EMPTY = new Uint8Array(0);

/** Gathers frames into one buffer, so that a turn's worth of them costs one write. */
export class FrameWriter {
  #buffer = new Uint8Array(16 * 1024);
  #length = 0;

  /** Bytes gathered and not yet taken. */
  get length(): number {
    return this.#length;
  }

  /** Adds a frame whose payload is bytes. */
  writeBytes(verb: number, side: Side, id: number, payload: Uint8Array = EMPTY): void {
    const start = this.#begin(verb, side, id, payload.length);
    this.#buffer.set(payload, start);
    this.#finish(start, payload.length);
  }

  /** Adds a frame whose payload is one u32. */
  writeCount(verb: number, side: Side, id: number, count: number): void {
    const start = this.#begin(verb, side, id, 4);
    putU32(this.#buffer, start, count);
    this.#finish(start, 4);
  }

  /** Adds a frame whose payload is text. */
  writeText(verb: number, side: Side, id: number, text: string): void {
    const start = this.#begin(verb, side, id, text.length * 3);
    const { written } = encoder.encodeInto(text, this.#buffer.subarray(start));
    this.#finish(start, written);
  }

  /** Adds a frame that holds a head as JSON, then a body. */
  writeHead(verb: number, side: Side, id: number, head: string, body: Uint8Array = EMPTY): void {
    const start = this.#begin(verb, side, id, 4 + head.length * 3 + body.length);
    const { written } = encoder.encodeInto(head, this.#buffer.subarray(start + 4));
    putU32(this.#buffer, start, written);
    this.#buffer.set(body, start + 4 + written);
    this.#finish(start, 4 + written + body.length);
  }

  /** Hands over what was gathered, as bytes nobody else holds. */
  take(): Uint8Array<ArrayBuffer> {
    const taken = this.#buffer.slice(0, this.#length);
    this.#length = 0;
    if (this.#buffer.length > 4 * MAX_CELL_FRAME_BYTES) this.#buffer = new Uint8Array(16 * 1024);
    return taken;
  }

  #begin(verb: number, side: Side, id: number, payload: number): number {
    const at = this.#length;
    const needed = at + PREFIX + FIXED + payload;
    if (needed > this.#buffer.length) {
      const grown = new Uint8Array(Math.max(needed, 2 * this.#buffer.length));
      grown.set(this.#buffer.subarray(0, at));
      this.#buffer = grown;
    }
    this.#buffer[at + 4] = verb;
    this.#buffer[at + 5] = side;
    putU32(this.#buffer, at + 6, id);
    return at + PREFIX + FIXED;
  }

  #finish(start: number, payload: number): void {
    putU32(this.#buffer, this.#length, FIXED + payload);
    this.#length = start + payload;
  }
}

/** Cuts a stream of bytes into frames, whatever the pieces it arrives in. */
export class FrameReader {
  #prefix = new Uint8Array(PREFIX);
  #prefixed = 0;
  /** Where a frame that comes in pieces is put together; kept for the next one. */
  #scratch = new Uint8Array(0);
  #partial: Uint8Array<ArrayBuffer> | undefined;
  #filled = 0;
  readonly #limit: number;

  /** @param limit longest frame accepted, in bytes */
  constructor(limit: number = MAX_CELL_FRAME_BYTES) {
    this.#limit = limit;
  }

  /**
   * Reads one piece and calls `take` for each frame it completes. Nothing of `chunk` is kept.
   *
   * @throws {ProtocolError} for a length no frame may have; the stream is unreadable from there on
   */
  push(chunk: Uint8Array<ArrayBuffer>, take: (frame: Frame) => void): void {
    let at = 0;
    while (at < chunk.length) {
      if (this.#partial) {
        const missing = this.#partial.length - this.#filled;
        const count = Math.min(missing, chunk.length - at);
        this.#partial.set(chunk.subarray(at, at + count), this.#filled);
        this.#filled += count;
        at += count;
        if (count < missing) return;
        const whole = this.#partial;
        this.#partial = undefined;
        take(frameOf(whole));
        continue;
      }
      let size: number;
      if (this.#prefixed > 0 || chunk.length - at < PREFIX) {
        this.#prefix[this.#prefixed++] = chunk[at++]!;
        if (this.#prefixed < PREFIX) continue;
        this.#prefixed = 0;
        size = getU32(this.#prefix, 0);
      } else {
        size = getU32(chunk, at);
        at += PREFIX;
      }
      if (size < FIXED || size > this.#limit) {
        throw new ProtocolError(
          `Cannot read a frame of ${size} bytes: between ${FIXED} and ${this.#limit} are allowed`,
        );
      }
      if (chunk.length - at >= size) {
        take(frameOf(chunk.subarray(at, at + size)));
        at += size;
      } else {
        if (this.#scratch.length < size) this.#scratch = new Uint8Array(size);
        this.#partial = this.#scratch.subarray(0, size);
        this.#filled = 0;
      }
    }
  }
}

function frameOf(bytes: Uint8Array<ArrayBuffer>): Frame {
  return {
    verb: bytes[0]!,
    side: bytes[1]!,
    id: getU32(bytes, 2),
    payload: bytes.subarray(FIXED),
  };
}

/** Reads the one u32 a CREDIT frame carries. */
export function readCount(frame: Frame): number {
  if (frame.payload.length !== 4) throw new ProtocolError("Cannot read a count: not four bytes");
  return getU32(frame.payload, 0);
}

/**
 * Reads a payload as one line of text, at most `limit` characters of it. Characters that a terminal or
 * a log would take for more than text are shown as escapes: whoever writes a line must not be able to
 * write a second one, or to colour it.
 */
export function readText(frame: Frame, limit: number): string {
  try {
    return decoder.decode(frame.payload).slice(0, limit).replace(CONTROL, escaped);
  } catch {
    throw new ProtocolError("Cannot read a text: it is not UTF-8");
  }
}

// deno-lint-ignore no-control-regex -- control characters are what is shown; bidi marks reorder a line
const CONTROL = /[\u0000-\u0008\u000a-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069]/g;

function escaped(character: string): string {
  if (character === "\n") return "\\n";
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
}

/**
 * Splits a REQUEST or RESPONSE payload into its parsed JSON head and its body, which is valid as long
 * as the payload: who keeps it copies it.
 */
export function splitHead(frame: Frame): { head: unknown; body: Uint8Array<ArrayBuffer> } {
  const { payload } = frame;
  const length = payload.length < 4 ? -1 : getU32(payload, 0);
  if (length < 0 || length > MAX_CELL_HEAD_BYTES || length > payload.length - 4) {
    throw new ProtocolError("Cannot read a head: its length does not fit its frame");
  }
  try {
    return {
      head: JSON.parse(decoder.decode(payload.subarray(4, 4 + length))),
      body: payload.subarray(4 + length),
    };
  } catch {
    throw new ProtocolError("Cannot read a head: it is not JSON in UTF-8");
  }
}

function putU32(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value;
  bytes[at + 1] = value >>> 8;
  bytes[at + 2] = value >>> 16;
  bytes[at + 3] = value >>> 24;
}

function getU32(bytes: Uint8Array, at: number): number {
  return (bytes[at]! | bytes[at + 1]! << 8 | bytes[at + 2]! << 16 | bytes[at + 3]! << 24) >>> 0;
}
