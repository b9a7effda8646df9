/**
 * Frames of the wire protocol between the server and a cell. Both ends run this code, and neither
 * trusts the other: every length is checked before memory is allocated for it. This module must not
 * know processes, Workers or plugins.
 *
 * A frame is `u32 length, u8 verb, u8 side, u32 id, payload`, in little endian.
 *
 * - `length`: number of bytes that follow it, so 6 plus the length of the payload
 * - `verb`: kind of frame, one of {@link VERB}
 * - `side`: which end opened the call that the frame belongs to, one of {@link SIDE}
 * - `id`: number of the call, unique among the open calls of that side. Some verbs use it as a
 *   value
 * - `payload`: a head as JSON with a body, a piece of a body, a count, or a text
 */

import { MAX_CELL_FRAME_BYTES, MAX_CELL_HEAD_BYTES } from "../../cell_limits.ts";

/** Kinds of frames. */
export const VERB = {
  /** Opens a call: a head, then the body if it is short and ready. */
  REQUEST: 1,
  /** Response to a call: a head, then the body if it is short and ready. */
  RESPONSE: 2,
  /** A piece of the sender's body of this call. */
  CHUNK: 3,
  /** The sender's body is complete. */
  END: 4,
  /** The sender's body, or its response, failed. The payload is the reason as text. */
  FAIL: 5,
  /** The sender has consumed this number of bytes (u32) of the other end's body. */
  CREDIT: 6,
  /**
   * From the caller: the call is cancelled. From the callee: it reads no more of the request body.
   */
  CANCEL: 7,
  /** From the cell: `waitUntil` work of this request has started; it may outlive the response. */
  HOLD: 16,
  /** From the cell: all `waitUntil` work of this request is done. */
  DONE: 8,
  /** Heartbeat and its reply. `id` is a counter. */
  PING: 9,
  PONG: 10,
  /** From the cell: the plugin is loaded. */
  READY: 11,
  /** From the cell: the plugin cannot be loaded. The payload is the reason as text. */
  UNFIT: 12,
  /** A console line. `id` is the level: 0 log, 1 warn, 2 error. */
  LOG: 13,
  /** First frame to a cell process: what to run, as JSON. It may exceed `MAX_CELL_FRAME_BYTES`. */
  INIT: 14,
  /** From the cell process, not its Worker. `id` is the resident memory in KiB. */
  RESIDENT: 15,
  /** From the cell: code of this request failed and nothing caught it. `id` is 0 if none is known. */
  UNCAUGHT: 17,
} as const;

/** Which end opened a call: the server (`HOST`) or the cell. */
export const SIDE = { HOST: 0, CELL: 1 } as const;
/** One of {@link SIDE}. */
export type Side = 0 | 1;

/** The other end violated the wire protocol. The connection must not be used any more. */
export class ProtocolError extends Error {
  override readonly name = "ProtocolError";
}

/** One frame as it was read. `payload` is valid until the callback returns; copy what is kept. */
export interface Frame {
  readonly verb: number;
  readonly side: number;
  readonly id: number;
  readonly payload: Uint8Array<ArrayBuffer>;
}

/**
 * Level of a LOG frame that reports dropped lines. Its text begins with `dropped` and their number.
 */
export const DROPPED_LINES_LEVEL = 3;

const PREFIX_BYTES = 4;
const FIXED_BYTES = 6;
const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true });
const EMPTY = new Uint8Array(0);

/** Collects frames in one buffer, so that all frames of one event-loop turn cost one write. */
export class FrameWriter {
  #buffer = new Uint8Array(16 * 1024);
  #length = 0;

  /** Number of bytes collected and not yet taken. */
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

  /** Adds a frame whose payload is text, as UTF-8. */
  writeText(verb: number, side: Side, id: number, text: string): void {
    const start = this.#begin(verb, side, id, text.length * 3);
    const { written } = encoder.encodeInto(text, this.#buffer.subarray(start));
    this.#finish(start, written);
  }

  /**
   * Adds a frame that consists of a head and a body.
   *
   * @param head the head as JSON text
   * @param body the whole body, if it is sent with the head
   */
  writeHead(verb: number, side: Side, id: number, head: string, body: Uint8Array = EMPTY): void {
    const start = this.#begin(verb, side, id, 4 + head.length * 3 + body.length);
    const { written } = encoder.encodeInto(head, this.#buffer.subarray(start + 4));
    putU32(this.#buffer, start, written);
    this.#buffer.set(body, start + 4 + written);
    this.#finish(start, 4 + written + body.length);
  }

  /** Returns a copy of the collected bytes and empties the buffer. */
  take(): Uint8Array<ArrayBuffer> {
    const taken = this.#buffer.slice(0, this.#length);
    this.#length = 0;
    if (this.#buffer.length > 4 * MAX_CELL_FRAME_BYTES) this.#buffer = new Uint8Array(16 * 1024);
    return taken;
  }

  #begin(verb: number, side: Side, id: number, payload: number): number {
    const at = this.#length;
    const needed = at + PREFIX_BYTES + FIXED_BYTES + payload;
    if (needed > this.#buffer.length) {
      const grown = new Uint8Array(Math.max(needed, 2 * this.#buffer.length));
      grown.set(this.#buffer.subarray(0, at));
      this.#buffer = grown;
    }
    this.#buffer[at + 4] = verb;
    this.#buffer[at + 5] = side;
    putU32(this.#buffer, at + 6, id);
    return at + PREFIX_BYTES + FIXED_BYTES;
  }

  #finish(start: number, payload: number): void {
    putU32(this.#buffer, this.#length, FIXED_BYTES + payload);
    this.#length = start + payload;
  }
}

/** Splits a stream of bytes into frames. The bytes may arrive in pieces of any size. */
export class FrameReader {
  #prefix = new Uint8Array(PREFIX_BYTES);
  #prefixed = 0;
  /** Buffer for a frame that arrives in pieces; reused for the next one. */
  #scratch = new Uint8Array(0);
  #partial: Uint8Array<ArrayBuffer> | undefined;
  #filled = 0;
  readonly #limit: number;

  /** @param limit longest accepted frame in bytes, without its length prefix */
  constructor(limit: number = MAX_CELL_FRAME_BYTES) {
    this.#limit = limit;
  }

  /**
   * Reads one piece and calls `take` for each frame that it completes. It keeps no reference to
   * `chunk`.
   *
   * @throws {ProtocolError} a frame is too short or too long; the rest of the stream is unreadable
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
        const bytes = this.#partial;
        this.#partial = undefined;
        take(toFrame(bytes));
        continue;
      }
      let size: number;
      if (this.#prefixed > 0 || chunk.length - at < PREFIX_BYTES) {
        this.#prefix[this.#prefixed++] = chunk[at++]!;
        if (this.#prefixed < PREFIX_BYTES) continue;
        this.#prefixed = 0;
        size = getU32(this.#prefix, 0);
      } else {
        size = getU32(chunk, at);
        at += PREFIX_BYTES;
      }
      if (size < FIXED_BYTES || size > this.#limit) {
        throw new ProtocolError(
          `Cannot read a frame of ${size} bytes: ${FIXED_BYTES} to ${this.#limit} bytes are allowed`,
        );
      }
      if (chunk.length - at >= size) {
        take(toFrame(chunk.subarray(at, at + size)));
        at += size;
      } else {
        if (this.#scratch.length < size) this.#scratch = new Uint8Array(size);
        this.#partial = this.#scratch.subarray(0, size);
        this.#filled = 0;
      }
    }
  }
}

function toFrame(bytes: Uint8Array<ArrayBuffer>): Frame {
  return {
    verb: bytes[0]!,
    side: bytes[1]!,
    id: getU32(bytes, 2),
    payload: bytes.subarray(FIXED_BYTES),
  };
}

/**
 * Reads the u32 that is the payload of a CREDIT frame.
 *
 * @throws {ProtocolError} the payload is not four bytes long
 */
export function readCount(frame: Frame): number {
  const { length } = frame.payload;
  if (length !== 4) {
    throw new ProtocolError(`Cannot read a count: the payload has ${length} bytes; 4 are needed`);
  }
  return getU32(frame.payload, 0);
}

/**
 * Reads a payload as one line of text. Line breaks, other control characters and bidirectional
 * marks are replaced by escapes, so that a plugin cannot forge a second log line or send escape
 * sequences to a terminal.
 *
 * @param limit longest text in characters, counted before escapes are inserted; the rest is cut off
 * @throws {ProtocolError} the payload is not UTF-8
 */
export function readText(frame: Frame, limit: number): string {
  try {
    return decoder.decode(frame.payload).slice(0, limit).replace(CONTROL, escapeCharacter);
  } catch {
    throw new ProtocolError("Cannot read a text: the payload is not UTF-8");
  }
}

// deno-lint-ignore no-control-regex -- the pattern must match control characters, and bidi marks, which reorder a line
const CONTROL = /[\u0000-\u0008\u000a-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069]/g;

function escapeCharacter(character: string): string {
  if (character === "\n") return "\\n";
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
}

/**
 * Splits the payload of a REQUEST or RESPONSE into its head, parsed as JSON, and its body. The body
 * is valid as long as the payload; copy what is kept.
 *
 * @throws {ProtocolError} the head does not fit its frame, is longer than `MAX_CELL_HEAD_BYTES`, or
 * is not JSON in UTF-8
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
