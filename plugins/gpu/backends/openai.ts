/**
 * The wire format of OpenAI's chat completions, which many servers speak: anonymous server-sent
 * events, ended by `[DONE]`.
 */

import { isRecord } from "../../kit/json_record.ts";
import { type Backend, isOpenAi } from "../backend.ts";
import { isFailure, toFinish } from "../finish.ts";
import {
  contentText,
  errorText,
  type Frame,
  isErrorFrame,
  MalformedFrame,
  parseFrame,
  type Piece,
  refusalPart,
} from "./wire.ts";

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
export function readOpenAiFrame({ event, data }: Frame): Piece {
  if (data.trim() === "[DONE]") return { isEnd: true };
  const chunk = parseFrame(data);
  // Some servers name the event of an error, with any content.
  if (event === "error") return { error: chunk === undefined ? "" : errorText(chunk) ?? "" };
  return chunk === undefined ? {} : readChunk(chunk);
}

/** Reads a response that is one document, from a server that does not stream. */
export function readOpenAiDocument(text: string): Piece {
  const document = parseFrame(text) ?? {};
  const piece = readChunk(document);
  if (piece.error !== undefined || isRecord(firstChoice(document))) {
    return { ...piece, isEnd: true };
  }
  throw new MalformedFrame("sent a document without an answer");
}

function firstChoice({ choices }: Record<string, unknown>): unknown {
  return Array.isArray(choices) ? choices[0] : undefined;
}

function readChunk(chunk: Record<string, unknown>): Piece {
  if (isErrorFrame(chunk, Array.isArray(chunk.choices))) return { error: errorText(chunk) ?? "" };
  const choice = firstChoice(chunk);
  if (!isRecord(choice)) return {};
  const { finish_reason: reason, error } = choice;
  if (error !== undefined && error !== null) return { error: errorText({ error }) ?? "" };
  if (isFailure(reason)) return { error: reason };
  const message = isRecord(choice.delta) ? choice.delta : choice.message;
  const { content, refusal } = isRecord(message) ? message : {};
  const refused = typeof refusal === "string" && refusal !== "" ? refusal : refusalPart(content);
  const text = contentText(content) + (refused ?? "");
  if (refused !== undefined) return { text, finish: "refused" };
  // Some servers send an empty reason in place of null until the last chunk.
  return typeof reason === "string" && reason !== ""
    ? { text, finish: toFinish(reason) }
    : { text };
}
