/**
 * Answers of the machine about itself, as JSON for programs and as lines for pipes. They change from
 * moment to moment, so nobody may keep them.
 */

import { createTypeChooser } from "../http/negotiate.ts";

const JSON_TYPE = "application/json";
const chooseJson = createTypeChooser([JSON_TYPE, "text/plain"], JSON_TYPE);
const chooseText = createTypeChooser(["text/plain", JSON_TYPE], "text/plain");

/** A JSON value, uncached, with further headers if any. */
export function jsonResponse(
  value: unknown,
  headers: Readonly<Record<string, string>> = {},
  status = 200,
): Response {
  return new Response(`${JSON.stringify(value)}\n`, {
    status,
    headers: {
      "content-type": JSON_TYPE,
      "cache-control": "no-store",
      "x-content-type-options": "nosniff",
      ...headers,
    },
  });
}

/** Facts as a JSON object, or a line each for who prefers text. */
export function factsResponse(
  accept: string | null,
  value: Readonly<Record<string, unknown>>,
): Response {
  const vary = { "vary": "Accept" };
  if (chooseJson(accept) === JSON_TYPE) return jsonResponse(value, vary);
  const lines = Object.entries(value).map(([name, fact]) => `${name} ${String(fact)}\n`);
  return text(lines.join(""), vary);
}

/** One value as a line, or as JSON for who prefers that. */
export function lineResponse(accept: string | null, value: string | number): Response {
  const vary = { "vary": "Accept" };
  return chooseText(accept) === JSON_TYPE ? jsonResponse(value, vary) : text(`${value}\n`, vary);
}

function text(body: string, headers: Readonly<Record<string, string>>): Response {
  return new Response(body, {
    headers: {
      "content-type": "text/plain; charset=utf-8",
      "cache-control": "no-store",
      "x-content-type-options": "nosniff",
      ...headers,
    },
  });
}
