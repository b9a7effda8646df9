/**
 * Reads what a caller asks for: the prompt, the model, and the key that the backend needs.
 */

import { Problem } from "../kit/problem.ts";
import { decodeUtf8 } from "../kit/decode_utf8.ts";
import { readBody } from "../kit/read_body.ts";
import type { Backend } from "./backend.ts";
import { CONFIG_PATH, isModelName } from "./config.ts";

/** Longest prompt in bytes. */
const MAX_PROMPT_BYTES = 1024 * 1024;

/** Reads the prompt. @throws {Problem} `body-too-large`, `bad-body` */
export async function readPrompt(request: Request): Promise<string> {
  const detail = `Cannot answer: the prompt is longer than ${MAX_PROMPT_BYTES} bytes`;
  const tooLong = () => new Problem("body-too-large", detail);
  const prompt = decodeUtf8(await readBody(request, { maxBytes: MAX_PROMPT_BYTES, tooLong }));
  if (prompt === undefined) {
    throw new Problem("bad-body", "Cannot answer: the prompt is not UTF-8 text");
  }
  if (prompt.trim() !== "") return prompt;
  throw new Problem("bad-body", "Cannot answer: the prompt is empty; send text in the body");
}

/**
 * The model to use.
 *
 * @param requested the value of `?model=`, or null
 * @throws {Problem} `bad-query`
 */
export function selectModel(
  { model, models }: Pick<Backend, "model" | "models">,
  requested: string | null,
): string {
  if (requested === null) return model;
  if (!isModelName(requested)) {
    throw new Problem("bad-query", "Cannot answer: the value of ?model= is not a model name");
  }
  if (models === undefined || models.includes(requested) || requested === model) return requested;
  const detail = `Cannot answer: ${CONFIG_PATH} does not allow the model in ?model=`;
  throw new Problem("bad-query", detail);
}

/**
 * The key of the backend.
 *
 * @param vars the environment variables that the plugin was granted
 * @returns undefined if the backend needs none, or its variable is not set
 * @throws {Problem} `unavailable` for a key that a header cannot contain
 */
export function readKey(
  { key }: Pick<Backend, "key">,
  vars: Readonly<Record<string, string | undefined>>,
): string | undefined {
  const value = key === undefined ? "" : vars[key]?.trim() ?? "";
  if (value === "") return undefined;
  if (/^[\x21-\x7e]+$/.test(value)) return value;
  const detail = `Cannot answer: ${key} contains characters that a header cannot contain`;
  throw new Problem("unavailable", detail);
}
