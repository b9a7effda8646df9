/**
 * The browser's shell: one page, the same for every path, which then asks the machine like any
 * other client. It is the world `usr/lib/shell/index.html`, so a PUT re-skins it. Its policy lets it
 * run its own modules alone; nothing a stranger stored is ever part of this page.
 */

import type { Store, World } from "../world/store.ts";
import { evaluateConditions } from "../http/conditional.ts";
import { formatEtag } from "../http/etag.ts";
import { readHost } from "../http/host.ts";
import { Problem } from "../http/problem.ts";
import { notModifiedResponse } from "./representation.ts";

const PAGE = "usr/lib/shell/index.html";

/** What the page is shown for. */
export interface ShellSubject {
  /** The world at the path, where there is one: its metadata goes out with the page. */
  readonly world?: World;
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
}

/**
 * Answers a browser's navigation with the shell.
 *
 * @throws {Problem} `not-found` when the page itself was deleted from both layers
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
    // What is opened from here gets no handle on this page.
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
 * The page's Content-Security-Policy.
 *
 * - Scripts and styles come from the shell's own folder alone: `'self'` would also mean every world
 *   that anyone may write. A Host that CSP has no grammar for (an IPv6 literal) leaves only `'self'`.
 * - The one page that may be framed is the stage, in which strangers' markup lives: no frame can take
 *   itself anywhere else, so it cannot carry off what it was given. `blob:` is for pictures and PDF
 *   that were read with a credential, and inherits this policy or the stage's.
 * - Trusted Types with no policy allowed: no string can become markup or script in this page at all.
 *
 * @param host the Host header; the gate has refused one that is no name, so it cannot end a directive
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
