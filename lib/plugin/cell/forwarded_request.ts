/**
 * What of a request passes into a plugin: everything but what speaks of the connection and what is
 * the caller's secret. Pure but for reading a short body.
 */

import { CELL_CHUNK_BYTES } from "../../limits.ts";
import { flattenHeaders } from "../wire/message_heads.ts";

/** Headers that speak of one connection (RFC 9110 §7.6.1); none goes in and none comes out. */
export const CONNECTION_HEADERS: ReadonlySet<string> = new Set([
  "connection",
  "keep-alive",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
]);
/** What a plugin does not get to see: those, and the caller's secret. */
const HIDDEN = new Set([...CONNECTION_HEADERS, "authorization", "proxy-authorization"]);

/** The headers a plugin sees, names and values in turn. */
export function forwardedHeaders(headers: Headers): string[] {
  const flat = flattenHeaders(headers);
  for (let i = 0; i < flat.length; i += 2) {
    if (!HIDDEN.has(flat[i]!)) continue;
    return flat.filter((_, at) => !HIDDEN.has(flat[at - at % 2]!));
  }
  return flat;
}

/**
 * The body as it travels. A short one is read before the plugin hears of the request, so a slow
 * sender costs it nothing.
 */
export async function forwardedBody(
  request: Request,
): Promise<Uint8Array | ReadableStream<Uint8Array> | null> {
  if (request.body === null) return null;
  const length = request.headers.get("content-length");
  if (length !== null && Number(length) <= CELL_CHUNK_BYTES) return await request.bytes();
  return request.body;
}
