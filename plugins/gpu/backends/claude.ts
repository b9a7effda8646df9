/**
 * The wire format of Anthropic's messages: named server-sent events, ended by `message_stop`.
 */

import { isRecord } from "../../kit/json_record.ts";
import type { Backend } from "../backend.ts";
import { isFailure, toFinish } from "../finish.ts";
import {
  contentText,
  errorText,
  type Frame,
  isErrorFrame,
  MalformedFrame,
  parseFrame,
  type Piece,
  toText,
} from "./wire.ts";

/** The API requires a limit in each request. */
const DEFAULT_MAX_TOKENS = 4096;

/** The content of the request. */
export function claudeRequest(
  { system, temperature, maxTokens }: Backend,
  model: string,
  prompt: string,
): Record<string, unknown> {
  return {
    model,
    max_tokens: maxTokens ?? DEFAULT_MAX_TOKENS,
    ...(system === undefined ? {} : { system }),
    ...(temperature === undefined ? {} : { temperature }),
    messages: [{ role: "user", content: prompt }],
    stream: true,
  };
}

/** Reads one event of the response. */
export function readClaudeFrame({ event, data }: Frame): Piece {
  const message = parseFrame(data);
  const type = event === "message" ? message?.type : event;
  if (type === "message_stop") return { isEnd: true };
  if (type === "error") return { error: message === undefined ? "" : errorText(message) ?? "" };
  if (message === undefined) return {};
  if (isErrorFrame(message, true)) return { error: errorText(message) ?? "" };
  const { delta, content_block: block } = message;
  if (type === "content_block_start") return isText(block) ? { text: toText(block.text) } : {};
  if (!isRecord(delta)) return {};
  if (type === "content_block_delta") return isText(delta) ? { text: toText(delta.text) } : {};
  return type === "message_delta" ? readStopReason(delta.stop_reason) : {};
}

function isText(block: unknown): block is Record<string, unknown> {
  return isRecord(block) && (block.type === "text_delta" || block.type === "text");
}

function readStopReason(reason: unknown): Piece {
  if (isFailure(reason)) return { error: reason };
  return typeof reason === "string" ? { finish: toFinish(reason) } : {};
}

/** Reads a response that is one document, from a server that does not stream. */
export function readClaudeDocument(text: string): Piece {
  const message = parseFrame(text) ?? {};
  const { content, stop_reason: reason } = message;
  if (isErrorFrame(message, Array.isArray(content))) return { error: errorText(message) ?? "" };
  if (!Array.isArray(content)) throw new MalformedFrame("sent a document without an answer");
  return { text: contentText(content), ...readStopReason(reason), isEnd: true };
}
