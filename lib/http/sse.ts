/**
 * Server-sent events (WHATWG HTML §9.2) as bytes. Content of a world must not be able to leave its
 * `data:` lines. `event_stream.ts` sends the bytes.
 */

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
