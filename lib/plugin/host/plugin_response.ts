/**
 * Makes the response of a plugin safe for a browser. The names of its headers were selected before
 * (`forwarded_response.ts`); here are the headers whose value decides. The response must not run a
 * script with the server's origin, whatever its type and status are.
 */

/** Policy of every response of a plugin: a page gets an opaque origin of its own. */
const SANDBOX = "sandbox allow-scripts";
/** Matches a policy whose own sandbox allows no scripts. */
const SCRIPTLESS = /(?:^|[;,])\s*sandbox\b(?![^;,]*allow-scripts)/i;
/** Challenge of a 401 (RFC 9110 §11.6.1): that of the server, which needs no dialog of a browser. */
const CHALLENGE = 'Bearer realm="elastik"';
/** Methods that a client can repeat elsewhere without a change (RFC 9110 §9.2.1). */
const SAFE: ReadonlySet<string> = new Set(["GET", "HEAD", "OPTIONS", "PROPFIND"]);
/**
 * Link relations that make a browser connect or load before the policy of the page applies, and
 * backslashes, which could spell one of them in another way.
 */
const LOADING_LINK =
  /\\|\b(?:preload|modulepreload|prefetch|preconnect|prerender|dns-prefetch|stylesheet|icon|manifest|compression-dictionary)\b/i;
/** Values of Cross-Origin-Resource-Policy (Fetch §3.7). */
const RESOURCE_POLICY = /^(?:same-origin|same-site|cross-origin)$/;

/** The request that a plugin answered. */
export interface AnsweredRequest {
  readonly method: string;
  readonly url: string;
}

/**
 * Changes the headers of a plugin's response.
 *
 * - `Content-Security-Policy`: `sandbox` is added as a policy of its own. A browser applies both
 *   (CSP 3 §8.1), so the plugin can restrict its page further and cannot widen it.
 * - `X-Content-Type-Options: nosniff`: the declared type decides how a browser treats the body.
 * - `multipart/x-mixed-replace` becomes `application/octet-stream`: its parts would bring policies of
 *   their own.
 * - `Cross-Origin-Resource-Policy` is `same-origin` unless the plugin sets another value.
 * - `WWW-Authenticate` of a 401 is that of the server: its credential is the one that is missing.
 * - `Location` and `Link`: see {@link isAllowedLocation} and {@link LOADING_LINK}.
 *
 * @param routes the routes of the plugin
 */
export function securePluginResponse(
  { status, headers }: Response,
  request: AnsweredRequest,
  routes: readonly string[],
): void {
  const policy = headers.get("content-security-policy");
  headers.set("content-security-policy", combinePolicies(policy));
  headers.set("x-content-type-options", "nosniff");
  const sharing = headers.get("cross-origin-resource-policy");
  if (sharing === null || !RESOURCE_POLICY.test(sharing)) {
    headers.set("cross-origin-resource-policy", "same-origin");
  }
  // Anywhere: of several types, separated by commas, a browser takes the last one.
  if (/multipart\/x-mixed-replace/i.test(headers.get("content-type") ?? "")) {
    headers.set("content-type", "application/octet-stream");
  }
  if (status === 401) headers.set("www-authenticate", CHALLENGE);
  if (LOADING_LINK.test(headers.get("link") ?? "")) headers.delete("link");
  const location = headers.get("location");
  if (location !== null && !isAllowedLocation(location, status, request, routes)) {
    headers.delete("location");
  }
}

/** Statuses that have no content in any response (RFC 9110 §6.4.1). */
const WITHOUT_CONTENT: readonly number[] = [204, 205, 304];

/**
 * Makes a plugin's response to HEAD state no wrong length. Deno sends `Content-Length: 0` with a
 * response without a body (2.9.6), which would be the length of the response to GET (RFC 9110 §8.6).
 * A response without body and length gets an empty stream. Only for plugins: reading `body` makes a
 * stream of a text, whose length is lost then.
 */
export function withoutFalseLength(method: string, response: Response): Response {
  const { status, headers } = response;
  if (method !== "HEAD" || headers.has("content-length") || WITHOUT_CONTENT.includes(status)) {
    return response;
  }
  return response.body === null
    ? new Response(new Blob([]).stream(), { status, headers })
    : response;
}

/** Adds the sandbox to the policy of a plugin, without scripts if that allows none. */
function combinePolicies(policy: string | null): string {
  if (policy === null) return SANDBOX;
  return `${SCRIPTLESS.test(policy) ? "sandbox" : SANDBOX}, ${policy}`;
}

/**
 * Returns whether a plugin can send a client to a location. It must be an http or https URL without
 * credentials. A client that repeats an unsafe method there repeats its own credential too: such a
 * location must lie below the plugin's own routes, so that a plugin cannot make its caller write
 * elsewhere. `curl -L` follows every status from 300 to 399, and `curl -L -X DELETE` repeats the
 * method after 303 too. Only a 303 after POST can lead anywhere, the usual redirect to a result.
 */
export function isAllowedLocation(
  location: string,
  status: number,
  { method, url }: AnsweredRequest,
  routes: readonly string[],
): boolean {
  const target = URL.parse(location, url);
  if (target === null || !/^https?:$/.test(target.protocol)) return false;
  if (target.username !== "" || target.password !== "") return false;
  const isRepeated = status >= 300 && status < 400 && !(status === 303 && method === "POST");
  if (SAFE.has(method) || !isRepeated) return true;
  const { origin, pathname } = target;
  return origin === new URL(url).origin && !pathname.includes("%") &&
    routes.some((route) => pathname === route || pathname.startsWith(`${route}/`));
}
