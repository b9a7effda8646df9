/**
 * The page that a browser gets for the bare route of a plugin: a description, the required tier,
 * and a `curl` command. The server creates the page. Text of the plugin must be escaped, and the
 * page must not load or run anything.
 */

import { UNCACHED_HEADERS } from "../../http/headers.ts";
import { negotiateTypes } from "../../http/negotiate.ts";
import { encodePath } from "../../http/path.ts";
import type { Manifest } from "../manifest/manifest.ts";

const HTML = "text/html";
const STYLE = "body{font:1rem/1.5 system-ui,sans-serif;max-width:42rem;margin:3rem auto;" +
  "padding:0 1rem;color-scheme:light dark}pre{overflow:auto;padding:.75rem;" +
  "border:1px solid;border-radius:.25rem}dt{font-weight:600}dd{margin:0 0 .5rem}";
const NEEDS: Record<Manifest["auth"], string> = {
  T1: "every caller that can read this server (T1)",
  T2: "callers with the token or a capability (T2)",
  T3: "callers with the approve token (T3)",
};

/**
 * Returns whether a request for a bare route must get the description page: a GET or HEAD that
 * prefers HTML.
 *
 * @param request a request for exactly the route, without a query
 * @param route the route; `/mnt` and paths below it are listings, which their plugin answers itself
 */
export function wantsDescription(request: Request, route: string): boolean {
  if (request.method !== "GET" && request.method !== "HEAD") return false;
  if (route === "" || route === "/mnt" || route.startsWith("/mnt/")) return false;
  const accept = request.headers.get("accept");
  if (accept === null || !accept.includes(HTML)) return false;
  return negotiateTypes(accept, ["application/json", "text/plain", HTML])[0] === HTML;
}

/**
 * Creates the page.
 *
 * @param name world of the plugin's source, `lib/gpu`
 * @param manifest manifest of the plugin
 * @param route the requested route
 * @param url URL of the request; only its origin is used, for the `curl` command
 */
export async function descriptionPage(
  name: string,
  { description, routes, auth }: Manifest,
  route: string,
  url: string,
): Promise<Response> {
  const address = /^https?:\/\/[\w.:[\]-]+(?=\/)/.exec(url)?.[0] ?? "http://localhost:3005";
  const credential = auth === "T1"
    ? ""
    : ` -H "Authorization: Bearer $ELASTIK_${auth === "T2" ? "TOKEN" : "APPROVE_TOKEN"}"`;
  const source = `/${encodePath(name)}`;
  const body = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>${escape(route)}</title>
<style>${STYLE}</style>
<h1>${escape(route)}</h1>
<p>${escape(description === "" ? "This plugin has no description." : description)}</p>
<dl>
<dt>Routes</dt>
<dd>${routes.map((path) => `<code>${escape(path)}</code>`).join(" ")}</dd>
<dt>Callers</dt>
<dd>${NEEDS[auth]}</dd>
<dt>Source, approved by T3</dt>
<dd><a href="${escape(source)}">${escape(`/${name}`)}</a></dd>
</dl>
<p>Call it with this command. A browser shows this page for the bare route only.</p>
<pre>${escape(`curl '${address}${encodeForShell(route)}'${credential}`)}</pre>
<p><a href="/bin">All routes of this server</a></p>
</html>
`;
  return new Response(body, {
    headers: {
      "content-type": "text/html; charset=utf-8",
      ...UNCACHED_HEADERS,
      "vary": "Accept",
      "referrer-policy": "no-referrer",
      "content-security-policy": `default-src 'none'; style-src '${await hashOf(STYLE)}'; ` +
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    },
  });
}

/** Encodes a path so that it contains no character that is special in a shell. */
function encodeForShell(path: string): string {
  return encodePath(path).replace(
    /[!'()*~]/g,
    (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}

function escape(text: string): string {
  return text.replace(/[&<>"']/g, (char) => `&#${char.charCodeAt(0)};`);
}

/**
 * Returns the hash source of the style sheet (CSP 3 §2.3.1), so that the policy allows no other.
 */
async function hashOf(style: string): Promise<string> {
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(style));
  return `sha256-${new Uint8Array(digest).toBase64()}`;
}
