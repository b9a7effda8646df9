/**
 * What the wire formats of the backends have in common: frames, what a frame means, and errors of
 * the format. A backend is not trusted: every field is checked before it is used.
 */

import { isRecord, parseRecord } from "../../kit/json_record.ts";

/** One line of NDJSON, or one server-sent event. */
export interface Frame {
  /** The type of the event; `message` for NDJSON and for events without a type. */
  readonly event: string;
  readonly data: string;
}

/** What a frame means. */
export interface Piece {
  readonly text?: string;
  /** Why the model stopped. */
  readonly finish?: Finish;
  /** The backend's mark that the response is complete. */
  readonly isEnd?: boolean;
  /** The backend's text about its error; empty if it sent none. */
  readonly error?: string;
}

/** `length` if the token limit ended the response. */
export type Finish = "stop" | "length";

/** The backend violated its own format. The message continues "the backend …". */
export class MalformedFrame extends Error {}

/** Maps a reason of any of the formats. */
export function toFinish(reason: unknown): Finish {
  return reason === "length" || reason === "max_tokens" ? "length" : "stop";
}

/**
 * The text of a frame; empty if absent.
 *
 * @throws {MalformedFrame} for any other type
 */
export function toText(value: unknown): string {
  if (value === undefined || value === null) return "";
  if (typeof value === "string") return value;
  throw new MalformedFrame("sent a frame whose text is not a string");
}

/** @throws {MalformedFrame} if the text is not a JSON object */
export function parseFrame(text: string): Record<string, unknown> {
  const object = parseRecord(text);
  if (object !== undefined) return object;
  throw new MalformedFrame("sent a frame that is not a JSON object");
}

/** The text of an error in any of the formats; undefined if there is none. */
export function errorText({ error, message }: Record<string, unknown>): string | undefined {
  const text = isRecord(error) ? error.message : error ?? message;
  return typeof text === "string" ? text : undefined;
}
