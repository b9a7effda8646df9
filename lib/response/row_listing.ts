/**
 * Listings of rows that are not worlds: devices, routes, folders of the server. A browser gets the
 * shell, as for every collection.
 */

import type { RequestContext } from "../request/request_context.ts";
import { type ListingRow, respondListing } from "./listing.ts";
import { createTypeChooser } from "../http/negotiate.ts";
import { respondShell } from "./shell_page.ts";
import type { Store } from "../world/store.ts";

const HTML = "text/html";
/** Chooses the media type of a listing: `text/plain`, `application/json` or `text/html`. */
export const chooseRowsType = createTypeChooser(
  ["text/plain", "application/json", HTML],
  "text/plain",
);

/**
 * Answers a GET or HEAD with rows, or with the shell for a browser.
 *
 * @throws {Problem} `precondition-failed`
 */
export function respondRows(
  store: Store,
  { request }: RequestContext,
  rows: readonly ListingRow[],
): Response | Promise<Response> {
  const mediaType = chooseRowsType(request.headers.get("accept"));
  return mediaType === HTML
    ? respondShell(store, request)
    : respondListing(request, rows, mediaType);
}
