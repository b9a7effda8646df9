/**
 * Chooses the wire format of a backend: its request, its response frames, and its key header.
 */

import type { Backend, WireFormat } from "../backend.ts";
import { claudeRequest, readClaudeDocument, readClaudeFrame } from "./claude.ts";
import { ollamaRequest, readOllamaFrame } from "./ollama.ts";
import { openAiRequest, readOpenAiDocument, readOpenAiFrame } from "./openai.ts";
import type { Frame, Piece } from "./wire.ts";

/** The request for a prompt, without the URL and the signal. */
export function createBackendRequest(
  backend: Backend,
  key: string | undefined,
  model: string,
  prompt: string,
): { method: string; headers: Record<string, string>; body: string; redirect: "manual" } {
  return {
    method: "POST",
    headers: requestHeaders(backend.format, key),
    body: JSON.stringify(requestContent(backend, model, prompt)),
    // A redirect would send the prompt and the key to a host outside the configuration.
    redirect: "manual",
  };
}

function requestContent(backend: Backend, model: string, prompt: string): Record<string, unknown> {
  switch (backend.format) {
    case "ollama":
      return ollamaRequest(backend, model, prompt);
    case "openai":
      return openAiRequest(backend, model, prompt);
    case "claude":
      return claudeRequest(backend, model, prompt);
  }
}

function requestHeaders(format: WireFormat, key: string | undefined): Record<string, string> {
  const headers: Record<string, string> = {
    "content-type": "application/json",
    "accept": format === "ollama" ? "application/x-ndjson" : "text/event-stream",
    // A compressed response arrives in large blocks, not token by token.
    "accept-encoding": "identity",
  };
  if (format === "claude") headers["anthropic-version"] = "2023-06-01";
  if (key === undefined) return headers;
  if (format === "claude") headers["x-api-key"] = key;
  else headers["authorization"] = `Bearer ${key}`;
  return headers;
}

/** Reads one frame of a streamed response. */
export function readFrame(format: WireFormat, frame: Frame): Piece {
  switch (format) {
    case "ollama":
      return readOllamaFrame(frame);
    case "openai":
      return readOpenAiFrame(frame);
    case "claude":
      return readClaudeFrame(frame);
  }
}

/** Reads a response that is one JSON document. Ollama sends such a document as one NDJSON line. */
export function readDocument(format: "openai" | "claude", text: string): Piece {
  return format === "openai" ? readOpenAiDocument(text) : readClaudeDocument(text);
}
