/**
 * The wire format of OpenAI's chat completions, which many servers speak: anonymous server-sent
 * events, ended by `[DONE]`.
 */

import { isRecord } from "../../kit/json_record.ts";
import { type Backend, isOpenAi } from "../backend.ts";
import { errorText, type Frame, parseFrame, type Piece, toFinish, toText } from "./wire.ts";

/** The content of the request. */
export function openAiRequest(
  { url, system, temperature, maxTokens }: Backend,
  model: string,
  prompt: string,
): Record<string, unknown> {
  const messages = [
    ...(system === undefined ? [] : [{ role: "system", content: system }]),
    { role: "user", content: prompt },
  ];
  // OpenAI's newer models reject `max_tokens`; other servers know only that name.
  const limit = isOpenAi(new URL(url)) ? "max_completion_tokens" : "max_tokens";
  return {
    model,
    messages,
    ...(temperature === undefined ? {} : { temperature }),
    ...(maxTokens === undefined ? {} : { [limit]: maxTokens }),
    stream: true,
  };
}

/** Reads one event of the response. */
export function readOpenAiFrame({ data }: Frame): Piece {
  if (data.trim() === "[DONE]") return { isEnd: true };
  const chunk = parseFrame(data);
  if ("error" in chunk && chunk.error !== null) return { error: errorText(chunk) ?? "" };
  const choice = Array.isArray(chunk.choices) ? chunk.choices[0] : undefined;
  if (!isRecord(choice)) return {};
  const message = isRecord(choice.delta) ? choice.delta : choice.message;
  const text = toText(isRecord(message) ? message.content : undefined);
  const reason = choice.finish_reason;
  return typeof reason === "string" ? { text, finish: toFinish(reason) } : { text };
}

/** Reads a response that is one document, from a server that does not stream. */
export function readOpenAiDocument(text: string): Piece {
  return { ...readOpenAiFrame({ event: "message", data: text }), isEnd: true };
}
