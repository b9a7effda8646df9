/**
 * Server-sent events (WHATWG HTML §9.2). Events are parsed by the `eventsource-parser` package, whose
 * sources are linked into the plugin; they are written here.
 */

import { createParser } from "../../lib/deps/eventsource_parser.ts";

/** A parsed event. */
export interface ServerEvent {
  /** Value of the `event` field; `message` if the event has none. */
  readonly event: string;
  /** Values of the `data` fields, joined by line feeds. */
  readonly data: string;
}

/**
 * An event, or a line of it, is longer than the reader allows.
 *
 * @example
 * ```ts
 * import { throws } from "node:assert/strict";
 * import { EventReader, EventTooLong } from "./sse.ts";
 *
 * const reader = new EventReader(4);
 * throws(() => reader.push(new TextEncoder().encode("data: a long event")), EventTooLong);
 * ```
 */
export class EventTooLong extends Error {
  override readonly name = "EventTooLong";
}

/**
 * Parses a stream of events out of bytes in pieces of any length.
 *
 * @example
 * ```ts
 * import { deepStrictEqual } from "node:assert/strict";
 * import { EventReader } from "./sse.ts";
 *
 * const reader = new EventReader(1024);
 * const bytes = new TextEncoder().encode("event: done\ndata: stop\n\ndata: the re");
 * deepStrictEqual(reader.push(bytes), [{ event: "done", data: "stop" }]);
 * deepStrictEqual(reader.end(), [{ event: "message", data: "the re" }]);
 * ```
 */
export class EventReader {
  readonly #decoder = new TextDecoder();
  readonly #parser: { feed(text: string): void };
  #events: ServerEvent[] = [];
  #tooLong = false;

  /** @param maxLength longest event in characters */
  constructor(maxLength: number) {
    this.#parser = createParser({
      maxBufferSize: maxLength,
      onEvent: ({ event = "message", data }) => void this.#events.push({ event, data }),
      onError: ({ type }) => {
        // Unknown fields and retry times that are not numbers are ignored (WHATWG HTML §9.2.6).
        if (type === "max-buffer-size-exceeded") this.#tooLong = true;
      },
    });
  }

  /**
   * Takes the next bytes.
   *
   * @returns the events that are complete by now
   * @throws {EventTooLong} once all events before the long one were returned
   */
  push(bytes: Uint8Array): ServerEvent[] {
    return this.#feed(this.#decoder.decode(bytes, { stream: true }));
  }

  /**
   * Ends the stream. The standard discards an event that no blank line ends; this returns it, because
   * some servers leave out the last line end.
   */
  end(): ServerEvent[] {
    return this.#feed(`${this.#decoder.decode()}\n\n`);
  }

  #feed(text: string): ServerEvent[] {
    if (!this.#tooLong) this.#parser.feed(text);
    const events = this.#events;
    this.#events = [];
    if (this.#tooLong && events.length === 0) {
      throw new EventTooLong("Cannot read an event: it is too long");
    }
    return events;
  }
}

/**
 * Formats an event.
 *
 * @param data text of the event; each of its lines becomes a `data` field
 * @param event type of the event; left out for a `message`
 *
 * @example
 * ```ts
 * import { strictEqual } from "node:assert/strict";
 * import { formatEvent } from "./sse.ts";
 *
 * strictEqual(formatEvent("two\nlines"), "data: two\ndata: lines\n\n");
 * strictEqual(formatEvent("stop", "done"), "event: done\ndata: stop\n\n");
 * ```
 */
export function formatEvent(data: string, event?: string): string {
  const type = event === undefined ? "" : `event: ${event}\n`;
  return `${type}data: ${data.replace(/\r\n|\r|\n/g, "\ndata: ")}\n\n`;
}
