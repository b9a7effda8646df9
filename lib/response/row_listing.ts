/**
 * Listings that are not of worlds: devices, routes, the machine's own folders. A browser gets the
 * shell for them, as it does for every collection.
 */

import type { RequestContext } from "../request/request_context.ts";
import { type ListingRow, respondListing } from "./listing.ts";
import { createTypeChooser } from "../http/negotiate.ts";
import { respondShell } from "./shell_page.ts";
import type { Store } from "../world/store.ts";

const HTML = "text/html";
/** The form of a listing for an Accept header: `text/plain`, `application/json` or `text/html`. */
export const chooseRowsType = createTypeChooser(
  ["text/plain", "application/json", HTML],
  "text/plain",
);

/**
 * Answers a GET or HEAD with rows.
 *
 * @throws {Problem} `precondition-failed`
 */
export function respondRows(
  store: Store,
  { request }: RequestContext,
  rows: readonly ListingRow[],
): Response | Promise<Response> {
  const form = chooseRowsType(request.headers.get("accept"));
  return form === HTML ? respondShell(store, request) : respondListing(request, rows, form);
}
