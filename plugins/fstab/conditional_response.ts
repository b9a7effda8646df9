/** The 304 response to a GET or HEAD if, by its preconditions, the client already has the content. */

import { evaluateRead } from "../kit/conditional.ts";

/**
 * Evaluates the preconditions of a request.
 *
 * @param headers those of the response, with `etag`
 * @param modified Unix milliseconds; undefined if unknown
 * @param path for messages
 * @returns a 304 response; undefined if the content must be sent
 * @throws {Problem} `precondition-failed`
 */
export function conditionalResponse(
  request: Request,
  headers: Record<string, string>,
  modified: number | undefined,
  path: string,
): Response | undefined {
  const validators = { etag: headers.etag, modified };
  const action = `Cannot ${request.method} ${path}`;
  if (evaluateRead(request.headers, validators, action) === "send") return undefined;
  // RFC 9110 §15.4.5: a 304 has the validators and no headers that describe the content.
  const { "content-type": _type, "content-length": _length, ...kept } = headers;
  return new Response(null, { status: 304, headers: kept });
}
