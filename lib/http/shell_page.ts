/**
 * The browser's shell: one page, the same for every path, which then asks the machine like any
 * other client. It is the world `usr/lib/shell/index.html`, so a PUT re-skins it. Its policy lets it
 * run its own modules alone; nothing a stranger stored is ever part of this page.
 */

import type { Store, World } from "../world/store.ts";
import { readOutcome } from "./conditional.ts";
import { etag } from "./etag.ts";
import { Problem } from "./problem.ts";
import { notModified } from "./representation.ts";

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
  store: Store,
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
    "content-security-policy": policy(request.headers.get("host")),
    ...headers,
  };
  for (const [name, value] of world?.meta ?? []) all[name] = value;
  if (status !== 200) return new Response(page.body, { status, headers: all });
  const rep = `html-${page.sha256.slice(0, 8)}`;
  all.etag = world === undefined
    ? etag(page.version, page.sha256, "shell")
    : etag(world.version, world.sha256, rep);
  const unchanged = readOutcome(request.headers, all.etag, undefined);
  return unchanged === "not-modified"
    ? notModified(all)
    : new Response(page.body, { headers: all });
}

/**
 * The page's Content-Security-Policy. Scripts and styles come from the shell's own folder alone:
 * `'self'` would also mean every world that anyone may write.
 */
function policy(host: string | null): string {
  // The gate has refused a Host that is no name, so it cannot end the directive.
  const shell = host === null ? "'self'" : `${host}/usr/lib/shell/`;
  return [
    "default-src 'none'",
    `script-src ${shell}`,
    `style-src ${shell}`,
    "img-src 'self' data: blob:",
    "media-src 'self' blob:",
    "connect-src 'self'",
    "frame-src 'self' blob:",
    `manifest-src ${shell}`,
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join("; ");
}
