/**
 * Splits the bytes of a response into frames: lines of NDJSON, or server-sent events. The bytes may
 * be cut anywhere. A frame has a maximum length, so that a backend that never ends one cannot fill
 * the memory.
 */

import { EventReader, EventTooLong } from "../kit/sse.ts";
import type { WireFormat } from "./backend.ts";
import { type Frame, MalformedFrame } from "./backends/wire.ts";

/** Longest frame, in characters. */
const MAX_FRAME = 1024 * 1024;

/** Both methods return the frames that are complete by now. */
export interface FrameParser {
  /** @throws {MalformedFrame} if a frame is too long; all frames before it were returned */
  push(bytes: Uint8Array): Frame[];
  /** The rest at the end of the connection: some servers omit the last line end. */
  end(): Frame[];
}

/** A parser for the response of one call. */
export function createFrameParser(format: WireFormat): FrameParser {
  return format === "ollama" ? new LineParser() : new EventParser();
}

/** NDJSON: one frame per line that is not blank. */
class LineParser implements FrameParser {
  readonly #decoder = new TextDecoder();
  /** The pieces of the last line. They are joined once, so that a line in many pieces is cheap. */
  #rest: string[] = [];
  #length = 0;

  push(bytes: Uint8Array): Frame[] {
    if (this.#length > MAX_FRAME) throw frameTooLong();
    return this.#split(this.#decoder.decode(bytes, { stream: true }));
  }

  end(): Frame[] {
    return this.#split(`${this.#decoder.decode()}\n`);
  }

  #split(text: string): Frame[] {
    const lines = text.split(/\r\n|\n|\r/);
    const last = lines.pop() ?? "";
    if (lines.length > 0) {
      lines[0] = [...this.#rest, lines[0]].join("");
      this.#rest = [];
      this.#length = 0;
    }
    this.#rest.push(last);
    this.#length += last.length;
    return lines.filter((line) => line.trim() !== "").map((data) => ({ event: "message", data }));
  }
}

/** Server-sent events. */
class EventParser implements FrameParser {
  readonly #reader = new EventReader(MAX_FRAME);

  push(bytes: Uint8Array): Frame[] {
    return this.#frames(() => this.#reader.push(bytes));
  }

  end(): Frame[] {
    return this.#frames(() => this.#reader.end());
  }

  #frames(read: () => Frame[]): Frame[] {
    try {
      return read();
    } catch (error) {
      if (error instanceof EventTooLong) throw frameTooLong();
      throw error;
    }
  }
}

function frameTooLong(): MalformedFrame {
  return new MalformedFrame(`sent a frame of more than ${MAX_FRAME} characters`);
}
