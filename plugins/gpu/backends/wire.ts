/**
 * What the wire formats of the backends have in common: frames, what a frame means, and errors of
 * the format. A backend is not trusted: every field is checked before it is used.
 */

import { isRecord, parseRecord } from "../../kit/json_record.ts";
import type { Finish } from "../finish.ts";

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

/** The backend violated its own format. The message continues "the backend …". */
export class MalformedFrame extends Error {}

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

/**
 * The text of the content of a message: a string, or a list of parts. The parts that are text are
 * joined; others, such as the reasoning of a model, are left out.
 *
 * @throws {MalformedFrame} for any other type
 */
export function contentText(content: unknown): string {
  return Array.isArray(content) ? content.map(partText).join("") : toText(content);
}

/** Types of parts that are text of the answer. A part without a type is one too. */
const TEXT_PARTS: readonly unknown[] = [undefined, "text", "output_text"];

function partText(part: unknown): string {
  if (typeof part === "string") return part;
  if (!isRecord(part) || !TEXT_PARTS.includes(part.type)) return "";
  // Some servers wrap the text once more, with its annotations.
  return toText(isRecord(part.text) ? part.text.value : part.text);
}

/** The text of the first part of a list that is a refusal; undefined if there is none. */
export function refusalPart(value: unknown): string | undefined {
  const parts: readonly unknown[] = Array.isArray(value) ? value : [];
  const part = parts.find((one) => isRecord(one) && one.type === "refusal");
  if (!isRecord(part)) return undefined;
  return typeof part.refusal === "string" ? part.refusal : "";
}

/**
 * The object of a frame.
 *
 * @returns undefined for a frame without content: some servers send an empty `data:` line to keep
 * the connection open
 * @throws {MalformedFrame} if the text is not a JSON object
 */
export function parseFrame(text: string): Record<string, unknown> | undefined {
  if (text.trim() === "") return undefined;
  const object = parseRecord(text);
  if (object !== undefined) return object;
  throw new MalformedFrame("sent a frame that is not a JSON object");
}

/** The text of an error in any of the formats; undefined if there is none. */
export function errorText(frame: Record<string, unknown>): string | undefined {
  const { error } = frame;
  const text = isRecord(error) ? error.message : error ?? frame.message ?? frame.detail;
  return typeof text === "string" ? text : undefined;
}

/**
 * Whether a frame is an error: it has an `error`, says that it is one, or has a message where the
 * content of its format should be.
 *
 * @param hasContent whether the frame has the field that each frame of its format has
 */
export function isErrorFrame(frame: Record<string, unknown>, hasContent: boolean): boolean {
  const { error, type, object } = frame;
  if (error !== undefined && error !== null && error !== false) return true;
  if (type === "error" || object === "error") return true;
  return !hasContent && errorText(frame) !== undefined;
}
