/**
 * The intent: a description of the reader and of what the reader wants to know. It is quoted in the
 * prompt and used for nothing else. Pure.
 */

import { Problem } from "../kit/problem.ts";

/** Longest intent in characters; a longer User-Agent is cut. */
const MAX_INTENT = 1000;

/** Where an intent can come from; null if absent. */
export interface IntentSources {
  /** `X-Semantic-Intent`. */
  readonly header: string | null;
  /** `?intent=`, decoded. */
  readonly query: string | null;
  /** `User-Agent`. */
  readonly userAgent: string | null;
}

/**
 * Chooses the intent: the header, otherwise the query parameter, otherwise the User-Agent.
 *
 * @returns the intent, trimmed; empty if the request has none
 * @throws {Problem} `bad-header` or `bad-query` if it is too long or contains control characters
 */
export function parseIntent({ header, query, userAgent }: IntentSources): string {
  if (header !== null) {
    return checkIntent("bad-header", "X-Semantic-Intent", decodePercent(decodeLatin1(header)));
  }
  if (query !== null) return checkIntent("bad-query", "intent", query);
  const text = decodeLatin1(userAgent ?? "").slice(0, MAX_INTENT);
  return checkIntent("bad-header", "User-Agent", text);
}

function checkIntent(type: "bad-header" | "bad-query", name: string, text: string): string {
  if (text.length > MAX_INTENT) {
    throw new Problem(
      type,
      `Cannot read ${name}: it has ${text.length} characters; at most ${MAX_INTENT} are allowed`,
    );
  }
  // Line separators and direction marks could make the text appear elsewhere in the prompt.
  // deno-lint-ignore no-control-regex -- the pattern must match control characters
  if (/[\0-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]/.test(text)) {
    throw new Problem(type, `Cannot read ${name}: it contains control characters; remove them`);
  }
  return text.trim();
}

/** Decodes a header value, which Deno presents as Latin-1, as UTF-8 if it is valid UTF-8. */
function decodeLatin1(value: string): string {
  if (!/[\x80-\xff]/.test(value)) return value;
  try {
    const bytes = Uint8Array.from(value, (char) => char.charCodeAt(0));
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    return value; // it is Latin-1
  }
}

/** Decodes percent escapes, which browsers use for characters that a header cannot contain. */
function decodePercent(value: string): string {
  if (!/%[\da-fA-F]{2}/.test(value)) return value;
  try {
    return decodeURIComponent(value);
  } catch {
    return value; // it contains a percent sign that is not an escape
  }
}
