/**
 * Responses to HEAD over HTTP/2. Deno drops the body of a HEAD response on HTTP/1.1 but not on
 * HTTP/2, where the body breaks the stream (2.9.6). This module removes it and leaves the status
 * and headers unchanged.
 */

/**
 * Removes the body of a response to a HEAD request over HTTP/2 and cancels it. Returns any other
 * response unchanged.
 *
 * @param request the request; one with a Host header came over HTTP/1.1
 *
 * @example
 * ```ts
 * import { strictEqual } from "node:assert/strict";
 * import { toHeadResponse } from "./head_response.ts";
 *
 * const request = new Request("https://example.org/", { method: "HEAD" });
 * const response = toHeadResponse(request, new Response("text", { headers: { etag: '"1"' } }));
 * strictEqual(response.body, null);
 * strictEqual(response.headers.get("etag"), '"1"');
 * ```
 */
export function toHeadResponse(request: Request, response: Response): Response {
  if (request.method !== "HEAD" || request.headers.has("host")) return response;
  const { status, headers, body } = response;
  if (body === null) return response;
  // A body that cannot be cancelled was never going to be sent, so the error has no effect.
  body.cancel().catch(() => undefined);
  return new Response(null, { status, headers });
}
