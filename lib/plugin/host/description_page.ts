/**
 * What a person sees who opens a plugin's route in a browser: what it is, who may ask, and a line of
 * curl to ask with. The page is the machine's own; of the plugin it holds text alone, escaped, and it
 * can load and run nothing.
 */

import { negotiateTypes } from "../../http/negotiate.ts";
import { encodePath } from "../../http/path.ts";
import type { Manifest } from "../manifest/manifest.ts";

const HTML = "text/html";
const STYLE = "body{font:1rem/1.5 system-ui,sans-serif;max-width:42rem;margin:3rem auto;" +
  "padding:0 1rem;color-scheme:light dark}pre{overflow:auto;padding:.75rem;" +
  "border:1px solid;border-radius:.25rem}dt{font-weight:600}dd{margin:0 0 .5rem}";
const NEEDS: Record<Manifest["auth"], string> = {
  T1: "everyone who may read this machine (T1)",
  T2: "who shows the token or a capability (T2)",
  T3: "who shows the approve token (T3)",
};

/**
 * Whether a request for exactly a route, without a query, is a person's who looks what is there.
 *
 * @param route `/mnt` and what lies in it are folders, which their plugin shows itself
 */
export function wantsDescription(request: Request, route: string): boolean {
  if (request.method !== "GET" && request.method !== "HEAD") return false;
  if (route === "" || route === "/mnt" || route.startsWith("/mnt/")) return false;
  const accept = request.headers.get("accept");
  if (accept === null || !accept.includes(HTML)) return false;
  return negotiateTypes(accept, ["application/json", "text/plain", HTML])[0] === HTML;
}

/**
 * The page.
 *
 * @param name world of the plugin's source, `lib/gpu`
 * @param route the route that was opened
 * @param url the request's URL, for the machine's address alone
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
<p>${escape(description === "" ? "This plugin does not say what it does." : description)}</p>
<dl>
<dt>Routes</dt>
<dd>${routes.map((path) => `<code>${escape(path)}</code>`).join(" ")}</dd>
<dt>Who may ask</dt>
<dd>${NEEDS[auth]}</dd>
<dt>Source, approved by T3</dt>
<dd><a href="${escape(source)}">${escape(`/${name}`)}</a></dd>
</dl>
<p>Ask it from a shell; a browser shows this page for the bare route only.</p>
<pre>${escape(`curl '${address}${plain(route)}'${credential}`)}</pre>
<p><a href="/bin">All routes of this machine</a></p>
</html>
`;
  return new Response(body, {
    headers: {
      "content-type": "text/html; charset=utf-8",
      "cache-control": "no-store",
      "vary": "Accept",
      "x-content-type-options": "nosniff",
      "referrer-policy": "no-referrer",
      "content-security-policy": `default-src 'none'; style-src '${await hashOf(STYLE)}'; ` +
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    },
  });
}

/** A path that means nothing to a shell, whoever pastes it. */
function plain(path: string): string {
  return encodePath(path).replace(
    /[!'()*~]/g,
    (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}

function escape(text: string): string {
  return text.replace(/[&<>"']/g, (char) => `&#${char.charCodeAt(0)};`);
}

/** The one style sheet by its hash (CSP 3 §2.3.1), so that no other can be slipped in. */
async function hashOf(style: string): Promise<string> {
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(style));
  return `sha256-${new Uint8Array(digest).toBase64()}`;
}
