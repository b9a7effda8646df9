/**
 * Answers to HEAD over HTTP/2. The runtime leaves a body away by itself where HTTP/1.1 is spoken; over
 * HTTP/2 it sends it on after the head, which breaks the stream (seen with Deno 2.9.6). So it is taken
 * out here, and the head stays as it is.
 */

/** The answer, without its body where it would do harm. */
export function bodiless(request: Request, answer: Response): Response {
  if (request.method !== "HEAD" || request.headers.has("host")) return answer;
  const { status, headers, body } = answer;
  if (body === null) return answer;
  // Nobody reads it, and what cannot be cancelled has nobody to tell.
  body.cancel().catch(() => undefined);
  return new Response(null, { status, headers });
}
