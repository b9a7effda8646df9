/**
 * The wire format of Anthropic's messages: named server-sent events, ended by `message_stop`.
 */

import { isRecord } from "../../kit/json_record.ts";
import type { Backend } from "../backend.ts";
import { errorText, type Frame, parseFrame, type Piece, toFinish, toText } from "./wire.ts";

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
  const type = event === "message" ? message.type : event;
  if (type === "error") return { error: errorText(message) ?? "" };
  if (type === "message_stop") return { isEnd: true };
  const delta = isRecord(message.delta) ? message.delta : {};
  if (type === "content_block_delta") {
    return delta.type === "text_delta" ? { text: toText(delta.text) } : {};
  }
  const reason = type === "message_delta" ? delta.stop_reason : undefined;
  return typeof reason === "string" ? { finish: toFinish(reason) } : {};
}

/** Reads a response that is one document, from a server that does not stream. */
export function readClaudeDocument(text: string): Piece {
  const message = parseFrame(text);
  if (message.type === "error") return { error: errorText(message) ?? "" };
  const blocks = Array.isArray(message.content) ? message.content : [];
  const texts = blocks.map((block: unknown) =>
    isRecord(block) && block.type === "text" ? toText(block.text) : ""
  );
  return { text: texts.join(""), finish: toFinish(message.stop_reason), isEnd: true };
}
