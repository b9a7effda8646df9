/**
 * Selects what a plugin gets of a request. Headers of the connection (RFC 9110 §7.6.1) and the
 * caller's credentials and cookies must not be forwarded.
 */

import { CELL_CHUNK_BYTES } from "../../cell_limits.ts";
import { guardBody } from "../../http/body_budget.ts";
import type { Problem } from "../../http/problem.ts";
import { assertPlainTransfer, type BodySource, readBody } from "../../http/read_body.ts";
import { flattenHeaders } from "../wire/message_heads.ts";

/** Names of connection headers (RFC 9110 §7.6.1). */
export const CONNECTION_HEADERS: ReadonlySet<string> = new Set([
  "connection",
  "keep-alive",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
]);
/**
 * Names of headers that a plugin must not get. A plugin cannot set cookies, so those that a browser
 * sends belong to other servers of this host: cookies do not distinguish ports.
 */
const HIDDEN_HEADERS = new Set([
  ...CONNECTION_HEADERS,
  "authorization",
  "cookie",
  "proxy-authorization",
]);

/** Returns the forwarded headers: names and values in alternation. */
export function forwardedHeaders(headers: Headers): string[] {
  const flat = flattenHeaders(headers);
  for (let i = 0; i < flat.length; i += 2) {
    if (!HIDDEN_HEADERS.has(flat[i]!)) continue;
    return flat.filter((_, at) => !HIDDEN_HEADERS.has(flat[at - at % 2]!));
  }
  return flat;
}

/**
 * Returns the body to forward; null if the request has no body. A body of at most
 * `CELL_CHUNK_BYTES` is read first, so that a slow client does not occupy the plugin.
 *
 * @param source the connection of the client; absent for a subrequest of a plugin
 * @param onFail called if a longer body fails while the plugin reads it
 * @throws {Problem} `bad-body`, `request-timeout`, `unavailable` for a short body
 */
export async function forwardedBody(
  request: Request,
  source?: BodySource,
  onFail: (problem: Problem) => void = () => {},
): Promise<Uint8Array | ReadableStream<Uint8Array> | null> {
  if (request.body === null) return null;
  const length = request.headers.get("content-length");
  if (length !== null && Number(length) <= CELL_CHUNK_BYTES) {
    return await readBody(request, CELL_CHUNK_BYTES, source);
  }
  assertPlainTransfer(request);
  const receipt = source?.receiveBody?.();
  return receipt === undefined
    ? request.body
    : guardBody(request.body, length === null, receipt, onFail);
}
