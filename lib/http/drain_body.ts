/**
 * Request bodies that nobody read, over HTTP/2. A refusal often comes before the body is looked at; the
 * runtime then resets the stream, now and then before its answer is through, and the client sees a
 * broken stream in the answer's place (seen with Deno 2.9.6). What is short is read to its end first.
 */

import { UNREAD_BODY_BYTES, UNREAD_BODY_MS } from "../limits.ts";
import { within } from "../base/timeout.ts";

/**
 * Reads what is left of a short body and throws it away; over HTTP/1.1, and where there is nothing to
 * read, it does nothing. Never throws.
 */
export async function drainUnread(request: Request): Promise<void> {
  if (request.headers.has("host") || request.body === null || request.bodyUsed) return;
  const length = request.headers.get("content-length");
  if (length === null || Number(length) > UNREAD_BODY_BYTES) return;
  // A sender that went away has no use for its answer either.
  const read = request.bytes().then(() => undefined, () => undefined);
  await within(UNREAD_BODY_MS, read);
}
