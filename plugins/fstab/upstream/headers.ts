/**
 * Headers between a client and a mounted web server. The client's credentials never go to that
 * server; the client never gets the server's cookies, policies and connection headers.
 */

const REQUEST_HEADERS = ["accept", "accept-language", "if-none-match", "if-modified-since"];
const RESPONSE_HEADERS = [
  "content-type",
  "content-language",
  "content-disposition",
  "etag",
  "last-modified",
];
const MAX_VALUE = 1024;
/** Shorter bearers occur in texts by chance. */
const MIN_DISTINCT_BEARER = 12;

/** The headers of the request to the server. */
export function upstreamHeaders(client: Headers, bearer: string | undefined): Headers {
  const headers = new Headers({ "user-agent": "elastik" });
  for (const name of REQUEST_HEADERS) {
    const value = client.get(name);
    if (value !== null) headers.set(name, value);
  }
  if (bearer !== undefined) headers.set("authorization", `Bearer ${bearer}`);
  return headers;
}

/** The headers of the response to the client: those that describe the content. */
export function returnedHeaders(upstream: Headers): Record<string, string> {
  const headers: Record<string, string> = {
    "cache-control": "no-cache",
    "vary": "Accept, Accept-Language",
    "content-type": "application/octet-stream",
  };
  for (const name of RESPONSE_HEADERS) {
    const value = upstream.get(name);
    if (value !== null && value.length <= MAX_VALUE && /^[\t\x20-\x7e]*$/.test(value)) {
      headers[name] = value;
    }
  }
  return headers;
}

/**
 * Whether a response contains the mount's bearer, which must not reach a client.
 *
 * @param bearer undefined if the mount has none
 * @param headers those that would be sent
 * @param content the content; `bytes` copies it
 */
export function containsBearer(
  bearer: string | undefined,
  headers: Readonly<Record<string, string>>,
  content: { bytes(): Uint8Array },
): boolean {
  if (bearer === undefined) return false;
  const body = new TextDecoder("latin1").decode(content.bytes());
  const text = `${Object.values(headers).join("\n")}\n${body}`;
  return text.includes(bearer.length >= MIN_DISTINCT_BEARER ? bearer : `Bearer ${bearer}`);
}
