/**
 * The page of the browser shell. It is the same for every path, and its modules then call the
 * server like any other client. The page is the world `usr/lib/shell/index.html`, so T3 can replace
 * it. Its Content-Security-Policy allows only the shell's own modules; the page never contains
 * stored content.
 */

import type { Store, World } from "../world/store.ts";
import { evaluateConditions } from "../http/conditional.ts";
import { formatEtag } from "../http/etag.ts";
import { readHost } from "../http/host.ts";
import { Problem } from "../http/problem.ts";
import { notModifiedResponse } from "./representation.ts";

const PAGE = "usr/lib/shell/index.html";

/** What the page is sent for. */
export interface ShellSubject {
  /** The world at the path, if there is one: its metadata becomes headers of the response. */
  readonly world?: World;
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
}

/**
 * Answers a browser with the page of the shell.
 *
 * @throws {Problem} `not-found` if the page is missing in both layers
 */
export async function respondShell(
  store: Pick<Store, "read">,
  request: Request,
  { world, status = 200, headers = {} }: ShellSubject = {},
): Promise<Response> {
  const page = await store.read(PAGE);
  if (page === undefined) {
    throw new Problem("not-found", `Cannot show the shell: the world /${PAGE} is missing`);
  }
  const all: Record<string, string> = {
    "content-type": "text/html; charset=utf-8",
    "cache-control": "no-cache",
    "vary": "Accept",
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    // A page that is opened from here gets no reference to this window.
    "cross-origin-opener-policy": "same-origin",
    "content-security-policy": shellPolicy(readHost(request)),
    ...headers,
  };
  for (const [name, value] of world?.meta ?? []) all[name] = value;
  if (status !== 200) return new Response(page.body, { status, headers: all });
  const rep = `html-${page.sha256.slice(0, 8)}`;
  all.etag = world === undefined
    ? formatEtag(page.version, page.sha256, "shell")
    : formatEtag(world.version, world.sha256, rep);
  const unchanged = evaluateConditions(request.headers, all.etag, undefined);
  return unchanged === "not-modified"
    ? notModifiedResponse(all)
    : new Response(page.body, { headers: all });
}

/**
 * Formats the Content-Security-Policy of the page.
 *
 * - Scripts and styles come only from the folder of the shell: `'self'` would include every world
 *   that callers can write. For a Host that CSP cannot express (an IPv6 literal) it is `'self'`.
 * - Only the page `stage.html`, which shows untrusted markup, can be framed. A frame cannot
 *   navigate to another origin, so it cannot leak what it received. `blob:` is for pictures and PDF
 *   files that were read with a credential; such a frame inherits this policy or that of the stage.
 * - Trusted Types without any policy: no string can become markup or script in this page.
 *
 * @param host the Host header; the gate has rejected a malformed one, so it cannot end a directive
 */
export function shellPolicy(host: string | null): string {
  const folder = host === null || host.startsWith("[") ? undefined : `${host}/usr/lib/shell/`;
  const shell = folder ?? "'self'";
  return [
    "default-src 'none'",
    `script-src ${shell}`,
    `style-src ${shell}`,
    "img-src 'self' data: blob:",
    "media-src 'self' blob:",
    "connect-src 'self'",
    `frame-src ${folder === undefined ? "'self'" : `${folder}stage.html`} blob:`,
    `manifest-src ${shell}`,
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
    "require-trusted-types-for 'script'",
    "trusted-types 'none'",
  ].join("; ");
}
