/**
 * Listings: one name per line, JSON, or the shell's page, selected by Accept. The list of mounts and
 * the folders of a mount use these functions.
 */

import { chooseType } from "../kit/accept.ts";
import { sha256Hex } from "../kit/sha256.ts";
import { conditionalResponse } from "./conditional_response.ts";

/** One entry of a listing. */
export interface ListingRow {
  readonly name: string;
  readonly dir: boolean;
  readonly [field: string]: unknown;
}

/** The media type that the client gets: HTML means the shell's page, and its data is plain text. */
export type ListingForm = "text/plain" | "application/json" | "text/html";

const FORMS: readonly ListingForm[] = ["text/plain", "application/json", "text/html"];

/** The form that the client prefers; text if Accept allows none. */
export function listingForm({ headers }: Request): ListingForm {
  const chosen = chooseType(headers.get("accept"), FORMS);
  return FORMS.find((form) => form === chosen) ?? "text/plain";
}

/** Orders rows by name. */
export function byName(a: ListingRow, b: ListingRow): number {
  return a.name < b.name ? -1 : 1;
}

/** The content of a listing: one name per line, a folder with a slash, a fault as a comment. */
export function formatListing(rows: readonly ListingRow[], form: ListingForm): string {
  if (form === "application/json") return JSON.stringify(rows);
  return rows.map(({ name, dir, line, problem }) =>
    line === undefined ? `${name}${dir ? "/" : ""}\n` : `# ${name}: ${problem}\n`
  ).join("");
}

/**
 * The response with a listing.
 *
 * @param path for messages
 * @param extra further headers
 * @throws {Problem} `precondition-failed`
 */
export async function listingResponse(
  request: Request,
  rows: readonly ListingRow[],
  form: ListingForm,
  path: string,
  extra: Readonly<Record<string, string>> = {},
): Promise<Response> {
  const isJson = form === "application/json";
  const body = new TextEncoder().encode(formatListing(rows, form));
  const headers = {
    ...extra,
    "content-type": isJson ? "application/json" : "text/plain; charset=utf-8",
    "content-length": String(body.length),
    "etag": `"${(await sha256Hex(body)).slice(0, 16)}.${isJson ? "list-json" : "list"}"`,
    "cache-control": "no-cache",
    "vary": "Accept",
  };
  return conditionalResponse(request, headers, undefined, path) ??
    new Response(request.method === "HEAD" ? null : body, { headers });
}

/** The shell's page, which the server fills in; the page then requests the listing as JSON. */
export function shellResponse(): Response {
  return new Response(null, { headers: { "x-show": "shell", "vary": "Accept" } });
}
