/**
 * Unread request bodies over HTTP/2. A handler often refuses a request before it reads the body.
 * Deno 2.9.6 then resets the stream, sometimes before the response is sent, and the client sees a
 * broken stream instead of the response. Reading a short body to its end first avoids this.
 */

import { DRAIN_BODY_TIMEOUT_MS, MAX_DRAINED_BODY_BYTES } from "../limits.ts";
import { withTimeout } from "../base/timeout.ts";

/**
 * Reads and discards the rest of a short request body over HTTP/2. Does nothing over HTTP/1.1, for
 * a request without a body, for a body of unknown or larger length, and for one that was read.
 *
 * @param request the request; an error while its body is read is ignored
 * @returns after the body ended or after {@link DRAIN_BODY_TIMEOUT_MS} milliseconds
 *
 * @example
 * ```ts
 * import { strictEqual } from "node:assert/strict";
 * import { drainBody } from "./drain_body.ts";
 *
 * const headers = { "content-length": "4" };
 * const request = new Request("https://example.org/x", { method: "PUT", body: "text", headers });
 * await drainBody(request);
 * strictEqual(request.bodyUsed, true);
 * ```
 */
export async function drainBody(request: Request): Promise<void> {
  if (request.headers.has("host") || request.body === null || request.bodyUsed) return;
  const length = request.headers.get("content-length");
  if (length === null || Number(length) > MAX_DRAINED_BODY_BYTES) return;
  // A failed read means that the client disconnected; it cannot receive the response either.
  const read = request.bytes().then(() => undefined, () => undefined);
  await withTimeout(DRAIN_BODY_TIMEOUT_MS, read);
}
