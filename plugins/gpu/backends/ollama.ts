/**
 * The wire format of Ollama: `POST /api/chat` and `POST /api/generate`, answered with NDJSON.
 */

import { isRecord } from "../../kit/json_record.ts";
import type { Backend } from "../backend.ts";
import { errorText, type Frame, parseFrame, type Piece, toFinish, toText } from "./wire.ts";

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
  if ("error" in line) return { error: errorText(line) ?? "" };
  const text = toText(isRecord(line.message) ? line.message.content : line.response);
  if (line.done !== true) return { text };
  return { text, finish: toFinish(line.done_reason), isEnd: true };
}
