/** The responses of the plugin: one path, several paths, none. */

import { chooseType } from "../kit/accept.ts";
import { encodePath } from "../kit/encode_path.ts";
import { Problem, problemResponse } from "../kit/problem.ts";
import type { RequestedPath } from "./requested_path.ts";

/** The same URL can have another response for another caller. */
const VARY_HEADER = "Accept, Authorization";
const PAGE_POLICY =
  "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/** Leaves the response to the server: an empty 404 of a fallback. */
export function declinedResponse(): Response {
  return new Response(null, { status: 404 });
}

/** Redirects to the only path that was meant. The query is kept. */
export function redirectResponse(
  { path: requested, query }: RequestedPath,
  path: string,
): Response {
  const location = encodePath(path) + query;
  return listResponse(303, "text/plain", `Nothing is at ${requested}; see ${path}\n`, { location });
}

/** Lists the paths that can be meant. */
export function choicesResponse(
  { path: requested, query }: RequestedPath,
  paths: readonly string[],
  accept: string | null,
): Response {
  const href = (path: string) => encodePath(path) + query;
  const link = paths.map((path) => `<${href(path)}>; rel="alternate"`).join(", ");
  const type = chooseType(accept, ["text/plain", "application/json", "text/html"]);
  if (type === "application/json") {
    const rows = paths.map((path) => ({ path, href: href(path) }));
    return listResponse(300, type, `${JSON.stringify(rows)}\n`, { link });
  }
  if (type !== "text/html") {
    return listResponse(300, "text/plain", `${paths.join("\n")}\n`, { link });
  }
  const items = paths.map((path) =>
    `<li><a href="${escapeHtml(href(path))}">${escapeHtml(path)}</a></li>`
  );
  const page = `<!doctype html><meta charset="utf-8"><title>Which one?</title>
<p>Nothing is at ${escapeHtml(requested)}. Near it are:</p>
<ul>
${items.join("\n")}
</ul>
`;
  return listResponse(300, type, page, { link, "content-security-policy": PAGE_POLICY });
}

/**
 * Explains that nothing was found. A client that prefers HTML gets the page of the shell instead.
 *
 * @param near similar paths that the caller can read
 * @param searched number of names that were considered
 */
export function notFoundResponse(
  { path, isCollection }: RequestedPath,
  near: readonly string[],
  searched: number,
  accept: string | null,
): Response {
  const types = ["application/problem+json", "application/json", "text/plain", "text/html"];
  if (chooseType(accept, types) === "text/html") return declinedResponse();
  const shown = isCollection && path !== "/" ? `${path}/` : path;
  const found = near.length > 0
    ? `near it ${near.length === 1 ? "is" : "are"} ${near.join(", ")}`
    : `none of the ${searched} names that were considered fits`;
  const problem = new Problem("not-found", `Cannot find ${shown}: nothing is here; ${found}`);
  return problemResponse(problem, accept, false, {
    headers: { vary: VARY_HEADER },
    members: { near: near.map(encodePath) },
  });
}

function listResponse(
  status: number,
  type: string,
  body: string,
  headers: Readonly<Record<string, string>>,
): Response {
  return new Response(body, {
    status,
    headers: {
      "content-type": type.startsWith("text/") ? `${type}; charset=utf-8` : type,
      "cache-control": "no-store",
      "vary": VARY_HEADER,
      ...headers,
    },
  });
}

function escapeHtml(text: string): string {
  const entities: Readonly<Record<string, string>> = {
    "&": "&amp;",
    "<": "&lt;",
    ">": "&gt;",
    '"': "&quot;",
    "'": "&#39;",
  };
  return text.replace(/[&<>"']/g, (character) => entities[character] ?? "");
}
