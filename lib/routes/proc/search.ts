/**
 * `/proc/search/<prefix>/?q=`: the lines of text below a prefix that contain a literal text. A caller
 * gets only lines of worlds that it can read, in the form in which it can read them. What it cannot
 * read is in no count and no order; it costs no time either, or the time is rounded up.
 */

import { assertCan, canRead, seesSecrets } from "../../auth/policy.ts";
import {
  isPartlyReadable,
  isReadScopePartial,
  limitReadScope,
  toReadScope,
} from "../../auth/read_scope.ts";
import { createTypeChooser } from "../../http/negotiate.ts";
import { encodePath } from "../../http/path.ts";
import { Problem } from "../../http/problem.ts";
import { readQueryNumber, readQueryValue } from "../../http/query.ts";
import { toJobCaller } from "../../request/job_caller.ts";
import { type RequestContext, restOf } from "../../request/request_context.ts";
import type { ServerContext } from "../../request/server_context.ts";
import { jsonResponse, textResponse } from "../../response/json_response.ts";
import { respondShell } from "../../response/shell_page.ts";
import { MAX_SEARCH_LINES, SEARCH_LINES, SEARCH_TIME_GRID_MS } from "../../search_limits.ts";
import { isInNamespace } from "../../world/name.ts";
import type { SearchHit, SearchPage, SearchPosition, SearchQuery } from "../../world/search.ts";

const HTML = "text/html";
const JSON_TYPE = "application/json";
const ROUTE = "proc/search";
const chooseType = createTypeChooser(["text/plain", JSON_TYPE, HTML], "text/plain");

/**
 * Answers a GET or HEAD of `/proc/search/<prefix>/?q=&limit=&after=`: one `path:line: text` for each
 * line, as grep prints them, or JSON for a client that prefers it.
 *
 * @throws {Problem} `unauthorized`, `forbidden`, `not-found`, `bad-query`, `unavailable`
 */
export async function searchWorlds(
  { store, monotonic }: Pick<ServerContext, "store" | "monotonic">,
  context: RequestContext,
): Promise<Response> {
  const { request, caller, target: { query } } = context;
  const mediaType = chooseType(request.headers.get("accept"));
  if (mediaType === HTML) return await respondShell(store, request);
  const startedAt = monotonic();
  const name = readPrefix(context);
  const text = readText(query);
  const limit = readQueryNumber(query, "limit", MAX_SEARCH_LINES) ?? SEARCH_LINES;
  const after = readPosition(query);
  const scope = toReadScope(caller);
  const search: SearchQuery = {
    within: limitReadScope(scope, name),
    original: seesSecrets(caller),
    isolated: isReadScopePartial(scope),
    text,
    ...(after === undefined ? {} : { after }),
    limit,
  };
  const found = await store.search(search, toJobCaller(context));
  if (search.isolated && found.isShared) await waitForGrid(monotonic() - startedAt);
  const isVisible = (world: string) => canRead(caller, `/${world}`);
  const page: SearchPage = {
    ...found,
    hits: found.hits.filter((hit) => isVisible(hit.name)),
    tooLong: found.tooLong.filter(isVisible),
  };
  const headers = { ...nextHeaders(name, text, limit, page), "vary": "Accept" };
  return mediaType === JSON_TYPE ? jsonResponse(toJson(page), headers) : toLines(page, headers);
}

function toJson({ hits, more, tooLong }: SearchPage): Record<string, unknown> {
  const last = hits.at(-1);
  return {
    hits: hits.map(({ name, version, line, column, snippet, match }) => ({
      name,
      version,
      line,
      column,
      snippet,
      match,
    })),
    ...(more && last !== undefined ? { after: formatPosition(last) } : {}),
    ...(tooLong.length === 0 ? {} : { too_long: tooLong }),
  };
}

function toLines({ hits, tooLong }: SearchPage, headers: Record<string, string>): Response {
  const lines = hits.map(({ name, line, snippet }) => `/${name}:${line}: ${snippet}\n`);
  return textResponse(lines.join(""), {
    ...headers,
    ...(tooLong.length === 0 ? {} : { "elastik-too-long": String(tooLong.length) }),
  });
}

function nextHeaders(
  name: string,
  text: string,
  limit: number,
  { hits, more }: SearchPage,
): Record<string, string> {
  const last = hits.at(-1);
  if (!more || last === undefined) return {};
  const rest = new URLSearchParams({
    q: text,
    after: formatPosition(last),
    limit: String(limit),
  });
  const folder = name === "" ? "" : `${encodePath(name)}/`;
  return { "link": `</${ROUTE}/${folder}?${rest}>; rel="next"` };
}

function formatPosition({ name, line }: Pick<SearchHit, "name" | "line">): string {
  return `/${name}:${line}`;
}

function readPosition(query: string): SearchPosition | undefined {
  const value = readQueryValue(query, "after");
  if (value === null) return undefined;
  const colon = value.lastIndexOf(":");
  return { name: value.slice(1, colon).normalize("NFC"), line: Number(value.slice(colon + 1)) };
}

function readText(query: string): string {
  const text = readQueryValue(query, "q");
  if (text !== null && text !== "") return text.normalize("NFC");
  throw new Problem(
    "bad-query",
    "Cannot search: ?q= is missing; send the text to find, such as ?q=todo",
  );
}

/** The name of the collection after the route; `""` for the whole tree. */
function readPrefix(context: RequestContext): string {
  const { target: { name: whole, isCollection }, caller } = context;
  const name = whole === ROUTE ? "" : restOf(context, `/${ROUTE}/`);
  // Every caller can search everything: it gets what it can read.
  if (name === "") return name;
  if (!isPartlyReadable(caller, name)) assertCan(caller, "read", `/${name}`);
  if (!isInNamespace(name)) {
    throw new Problem(
      "not-found",
      `Cannot search below /${name}: no world has such a name; the whole path is needed, such as ` +
        `/${ROUTE}/home/${encodePath(name)}/`,
    );
  }
  if (!isCollection) {
    throw new Problem(
      "not-found",
      `Cannot search /${name}: a collection is needed; GET /${ROUTE}/${
        encodePath(name)
      }/ searches ` +
        "what is below it",
    );
  }
  return name;
}

/**
 * Waits until the time since the request is a multiple of {@link SEARCH_TIME_GRID_MS}, so that it does
 * not show how often the text is in worlds that the caller cannot read.
 *
 * @param elapsed time since the request, in milliseconds
 */
async function waitForGrid(elapsed: number): Promise<void> {
  const rest = SEARCH_TIME_GRID_MS - elapsed % SEARCH_TIME_GRID_MS;
  await new Promise((resume) => setTimeout(resume, rest));
}
