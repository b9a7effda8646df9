/**
 * Selects what a client gets of a plugin's response head. A plugin responds for itself and not for
 * the server, so headers that a browser or a proxy applies to the whole origin, to credentials or to
 * other paths do not pass. The list allows; everything else is left out without an error, so that an
 * app written for a server of its own still works.
 */

/** Headers that pass, in lower case. */
const PASSED_HEADERS: ReadonlySet<string> = new Set([
  // The representation and its preconditions (RFC 9110 §8, RFC 9530).
  "content-digest",
  "content-disposition",
  "content-encoding",
  "content-language",
  "content-length",
  "content-location",
  "content-range",
  "content-type",
  "etag",
  "last-modified",
  "repr-digest",
  // The response (RFC 9110 §10, RFC 9111 §5).
  "accept-patch",
  "accept-post",
  "accept-ranges",
  "age",
  "allow",
  "cache-control",
  "deprecation",
  "expires",
  "link",
  "location",
  "preference-applied",
  "ratelimit",
  "ratelimit-limit",
  "ratelimit-policy",
  "ratelimit-remaining",
  "ratelimit-reset",
  "retry-after",
  "server-timing",
  "sunset",
  "vary",
  // What the page itself may do. The server combines the first one with its own policy.
  "content-security-policy",
  "cross-origin-resource-policy",
  "permissions-policy",
  "referrer-policy",
  "x-frame-options",
  // The Model Context Protocol.
  "mcp-protocol-version",
  "mcp-session-id",
]);
/**
 * Names that begin with `x-` and are instructions to a proxy (`X-Accel-Redirect` makes nginx send
 * another file), statements about the connection, or instructions to a browser.
 */
const REFUSED_CUSTOM = new RegExp(
  "^x-(?:accel-(?!buffering$)|chromelogger|chromephp|content-security|dns-prefetch|download-options" +
    "|forwarded|http-method|lighttpd|litespeed|original|permitted-cross|pingback|powered-by|real-ip" +
    "|reproxy|rewrite|sendfile|send-file|sourcemap|ua-compatible|webkit|xss)",
);

/**
 * Returns whether a header of a plugin's response reaches the client. Names that begin with `x-` are
 * the plugin's own.
 *
 * @param name header name in lower case
 */
export function passesFromPlugin(name: string): boolean {
  return PASSED_HEADERS.has(name) || name.startsWith("x-") && !REFUSED_CUSTOM.test(name);
}

/** The headers that do not pass, as a set without an end. */
export const WITHHELD_HEADERS: Pick<ReadonlySet<string>, "has"> = {
  has: (name) => !passesFromPlugin(name),
};
