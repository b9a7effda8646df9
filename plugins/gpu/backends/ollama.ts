/**
 * The wire format of Ollama: `POST /api/chat` and `POST /api/generate`, answered with NDJSON.
 */

import { isRecord } from "../../kit/json_record.ts";
import type { Backend } from "../backend.ts";
import { isFailure, toFinish } from "../finish.ts";
import {
  contentText,
  errorText,
  type Frame,
  isErrorFrame,
  parseFrame,
  type Piece,
} from "./wire.ts";

/** The content of the request. */
export function ollamaRequest(
  { url, system, temperature, maxTokens }: Backend,
  model: string,
  prompt: string,
): Record<string, unknown> {
  const options = {
    ...(temperature === undefined ? {} : { temperature }),
    ...(maxTokens === undefined ? {} : { num_predict: maxTokens }),
  };
  const rest = { ...(Object.keys(options).length === 0 ? {} : { options }), stream: true };
  if (url.endsWith("/api/generate")) {
    return { model, prompt, ...(system === undefined ? {} : { system }), ...rest };
  }
  const messages = [
    ...(system === undefined ? [] : [{ role: "system", content: system }]),
    { role: "user", content: prompt },
  ];
  return { model, messages, ...rest };
}

/** Reads one line of the response; a response that is not streamed is one such line. */
export function readOllamaFrame({ data }: Frame): Piece {
  const line = parseFrame(data);
  if (line === undefined) return {};
  const { message, response, done, done_reason: reason } = line;
  if (isErrorFrame({ ...line, message: undefined }, true)) return { error: errorText(line) ?? "" };
  const text = contentText(isRecord(message) ? message.content : response);
  if (done !== true) return { text };
  if (isFailure(reason)) return { error: reason };
  // Ollama before 0.1.38 sends no reason.
  return { text, finish: reason === undefined ? "stop" : toFinish(reason), isEnd: true };
}
