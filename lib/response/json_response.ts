/**
 * Responses about the server itself: JSON, or lines of text. Their values change all the time, so
 * they are never cached.
 */

import { UNCACHED_HEADERS } from "../http/headers.ts";
import { createTypeChooser } from "../http/negotiate.ts";

const encoder = new TextEncoder();
const JSON_TYPE = "application/json";
const chooseJson = createTypeChooser([JSON_TYPE, "text/plain"], JSON_TYPE);
const chooseText = createTypeChooser(["text/plain", JSON_TYPE], "text/plain");

/**
 * Creates a JSON response that must not be cached.
 *
 * @param value any JSON value
 * @param headers further headers
 * @param status status code
 */
export function jsonResponse(
  value: unknown,
  headers: Readonly<Record<string, string>> = {},
  status = 200,
): Response {
  const text = `${JSON.stringify(value)}\n`;
  const all = { "content-type": JSON_TYPE, ...UNCACHED_HEADERS, ...headers };
  const body = encoder.encode(text);
  // The length decides how long a client can take, and whether the text is compressed.
  const length = { "content-length": String(body.length) };
  return new Response(body, { status, headers: { ...all, ...length } });
}

/**
 * Creates a response with an object as JSON, or with one `name value` line per member for a client
 * that prefers text.
 *
 * @param accept value of the Accept header, or null if it was not sent
 */
export function objectResponse(
  accept: string | null,
  value: Readonly<Record<string, unknown>>,
): Response {
  const vary = { "vary": "Accept" };
  if (chooseJson(accept) === JSON_TYPE) return jsonResponse(value, vary);
  const lines = Object.entries(value).map(([name, member]) => `${name} ${String(member)}\n`);
  return textResponse(lines.join(""), vary);
}

/**
 * Creates a response with one value as a line of text, or as JSON for a client that prefers JSON.
 *
 * @param accept value of the Accept header, or null if it was not sent
 */
export function lineResponse(accept: string | null, value: string | number): Response {
  const vary = { "vary": "Accept" };
  return chooseText(accept) === JSON_TYPE
    ? jsonResponse(value, vary)
    : textResponse(`${value}\n`, vary);
}

/**
 * Creates a text response that must not be cached.
 *
 * @param headers further headers
 */
export function textResponse(
  text: string,
  headers: Readonly<Record<string, string>> = {},
): Response {
  const body = encoder.encode(text);
  return new Response(body, {
    headers: {
      "content-type": "text/plain; charset=utf-8",
      "content-length": String(body.length),
      ...UNCACHED_HEADERS,
      ...headers,
    },
  });
}
