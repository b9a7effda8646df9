/**
 * Responses to HEAD. Deno drops the body of a HEAD response on HTTP/1.1 but not on HTTP/2, where the
 * body breaks the stream. Of a response without a body it sends `Content-Length: 0` on HTTP/1.1, which
 * would be the length of the response to GET (RFC 9110 §8.6). Both as of 2.9.6.
 */

/** Statuses that have no content in any response (RFC 9110 §6.4.1). */
const WITHOUT_CONTENT: readonly number[] = [204, 205, 304];

/**
 * Makes a response to a HEAD request state no wrong length: over HTTP/2 its body is removed and
 * cancelled, and over HTTP/1.1 a response without body and length gets an empty stream. Returns any
 * other response unchanged.
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
  if (request.method !== "HEAD") return response;
  const { status, headers, body } = response;
  const isHttp2 = !request.headers.has("host");
  if (body === null) {
    const isKnown = headers.has("content-length") || WITHOUT_CONTENT.includes(status);
    if (isHttp2 || isKnown) return response;
    return new Response(new Blob([]).stream(), { status, headers });
  }
  if (!isHttp2) return response;
  // A body that cannot be cancelled was never going to be sent, so the error has no effect.
  body.cancel().catch(() => undefined);
  return new Response(null, { status, headers });
}
