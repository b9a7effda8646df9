/**
 * The page of the browser shell. It is the same for every path, and its modules then call the
 * server like any other client. The page is the world `usr/lib/shell/index.html`, so T3 can replace
 * it. Its Content-Security-Policy allows only the shell's own modules. Stored content is in the page as
 * JSON data only, never as markup or script.
 */

import { sha256Hex } from "../base/hash.ts";
import type { Store, World } from "../world/store.ts";
import { evaluateConditions } from "../http/conditional.ts";
import { formatEtag } from "../http/etag.ts";
import { readHost } from "../http/host.ts";
import { negotiateTypes } from "../http/negotiate.ts";
import { Problem } from "../http/problem.ts";
import { notModifiedResponse } from "./representation.ts";

const encoder = new TextEncoder();
const FOLDER = "usr/lib/shell/";
const PAGE = `${FOLDER}index.html`;
/** A reference of the page to a file of the shell. */
const REFERENCE = /\/usr\/lib\/shell\/([a-z0-9_]+\.[a-z]+)\?raw(?=")/g;
/** A script of the page for worlds of some extensions only: the module of their viewer. */
const SCRIPT_FOR = /[ \t]*<script\s[^>]*\bdata-for="([a-z0-9 ]*)"[^>]*><\/script>\n?/g;
/** Digits of a hash in an address: 64 bits, as in entity tags. */
const HASH_DIGITS = 16;
const BODY_END = "</body>";

/** What the page is sent for. */
export interface ShellSubject {
  /** The world at the path, if there is one: its metadata becomes headers of the response. */
  readonly world?: World;
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
}

/**
 * Answers of the server that the page would request first: JSON texts by path and query for GET, by
 * method, space and path for another method.
 */
export type FirstAnswers = ReadonlyMap<string, string>;

const pages = new WeakMap<Response, (first: FirstAnswers) => Response>();

/**
 * Creates the response again with the first answers in the page, so that the shell does not have to
 * request them. They must be what the caller of the page would get.
 *
 * @param response what {@link respondShell} returned
 * @returns undefined for any other response, and for one with an error status
 * @throws {Problem} `precondition-failed`
 */
export function addFirstAnswers(
  response: Response,
): ((first: FirstAnswers) => Response) | undefined {
  return pages.get(response);
}

/**
 * Answers a browser with the page of the shell.
 *
 * @throws {Problem} `not-found` if the page is missing in both layers; `precondition-failed`
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
  const lines = new TextDecoder().decode(page.body)
    .replace(SCRIPT_FOR, (script, exts) => exts.split(" ").includes(world?.ext) ? script : "");
  const text = await withHashes(store, lines);
  const { version, sha256 } = world ?? page;

  function respond(first: FirstAnswers): Response {
    const body = encoder.encode(withAnswers(text, first));
    const sent: Record<string, string> = { ...all, "content-length": String(body.length) };
    if (status !== 200) return new Response(body, { status, headers: sent });
    sent.etag = formatEtag(version, sha256, `html-${sha256Hex(body).slice(0, 16)}`);
    return evaluateConditions(request.headers, sent.etag, undefined) === "not-modified"
      ? notModifiedResponse(sent)
      : new Response(body, { headers: sent });
  }
  const response = respond(new Map());
  if (status === 200) pages.set(response, respond);
  return response;
}

/**
 * Returns the page of the shell instead of a problem, for a browser that navigates: the page can ask
 * for a token.
 *
 * @returns undefined if the problem must be sent as it is
 */
export async function respondShellInstead(
  store: Pick<Store, "read">,
  { status, type, headers: own }: Problem,
  request: Request,
): Promise<Response | undefined> {
  if (status !== 401 && status !== 403 && status !== 404) return undefined;
  if (type === "unknown-host" || type === "foreign-origin") return undefined;
  if (request.method !== "GET" && request.method !== "HEAD") return undefined;
  const accept = request.headers.get("accept");
  if (accept === null || !accept.includes("text/html")) return undefined;
  const types = ["application/json", "text/plain", "text/html"];
  if (negotiateTypes(accept, types)[0] !== "text/html") return undefined;
  // Without the Basic challenge, because the browser would show its own dialog and store the
  // credentials.
  const cleared = own["clear-site-data"];
  const headers: Record<string, string> = {
    ...(status === 401 ? { "www-authenticate": 'Bearer realm="elastik"' } : {}),
    ...(cleared === undefined ? {} : { "clear-site-data": cleared }),
  };
  try {
    return await respondShell(store, request, { status, headers });
  } catch {
    return undefined; // the page of the shell cannot be read; the problem is sent as it is
  }
}

/**
 * Adds the hash of each file to the references of the page, so that a browser can keep the file for
 * ever (`isHashOf`) and requests another one as soon as it is replaced.
 */
async function withHashes(store: Pick<Store, "read">, text: string): Promise<string> {
  const hashes = new Map<string, string>();
  for (const [, file = ""] of text.matchAll(REFERENCE)) {
    if (hashes.has(file)) continue;
    // A file that cannot be read keeps its plain address, and its request answers with the reason.
    const found = await store.read(FOLDER + file).catch(() => undefined);
    hashes.set(
      file,
      found === undefined ? "" : `&amp;sha256=${found.sha256.slice(0, HASH_DIGITS)}`,
    );
  }
  return text.replace(REFERENCE, (reference, file) => `${reference}${hashes.get(file) ?? ""}`);
}

/** As data in a script element, which no browser runs. `<` could end the element. */
function withAnswers(text: string, first: FirstAnswers): string {
  const end = text.lastIndexOf(BODY_END);
  if (first.size === 0 || end < 0) return text;
  const members = [...first].map(([path, json]) => `${JSON.stringify(path)}:${json}`);
  const data = `{${members.join(",")}}`.replaceAll("<", "\\u003c");
  return `${text.slice(0, end)}<script type="application/json" id="first">${data}</script>\n${
    text.slice(end)
  }`;
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
