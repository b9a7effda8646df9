/**
 * `GET /home/x/`: the listing of a collection, made in steps. Without parameters it is cached and
 * shared.
 */

import { isRedacted, readScopeKey } from "../../auth/policy.ts";
import { createTypeChooser } from "../../http/negotiate.ts";
import { SHORT_LISTING_ROWS } from "../../limits.ts";
import { encodePath } from "../../http/path.ts";
import { Problem } from "../../http/problem.ts";
import { hasQuery } from "../../http/query.ts";
import type { RequestContext } from "../../request/request_context.ts";
import {
  type EncodedListing,
  encodeListingInSlices,
  rowEncoder,
  sendListing,
  toListingRow,
} from "../../response/listing.ts";
import { sharedListingsOf } from "../../response/shared_listings.ts";
import { respondShell } from "../../response/shell_page.ts";
import { LockBudget, withLockBudget } from "../../world/lock_wait.ts";
import type { Store } from "../../world/store.ts";
import { describeAbsence } from "../missing_world.ts";
import { formatNextQuery, type ListingQuery, readListingQuery } from "./listing_query.ts";
import { type SelectedRow, selectListing } from "./listing_selection.ts";
import { encodeContents } from "./world_contents.ts";

const HTML = "text/html";
const JSON_TYPE = "application/json";
const chooseListing = createTypeChooser(["text/plain", JSON_TYPE, HTML], "text/plain");
/** Contents are JSON only. */
const chooseContents = createTypeChooser([JSON_TYPE, HTML], JSON_TYPE);

/** Whether a client that asks for a collection gets the page of the shell. */
export function wantsShell({ request, target }: RequestContext): boolean {
  return chooseType(request, target.query) === HTML;
}

/**
 * Answers a GET or HEAD of a collection. The caller can read it.
 *
 * @throws {Problem} `not-found`, `bad-query`, `precondition-failed`
 * @throws {StoreError} if a world whose content was asked for cannot be read
 */
export async function listCollection(store: Store, context: RequestContext): Promise<Response> {
  const { request, target, caller } = context;
  const { name, path, query } = target;
  if (!store.isCollection(name) && name.includes("/")) {
    throw new Problem(
      "not-found",
      store.stat(name) === undefined
        ? `Cannot list ${path}/: ${describeAbsence(store, caller, name)}`
        : `Cannot list ${path}/: it is a world with nothing below it; GET ${path} reads it`,
    );
  }
  if (hasQuery(query, "raw")) {
    throw new Problem(
      "not-found",
      `Cannot read the bytes of ${path}/: a trailing slash names the collection; GET ${path}/ lists it`,
    );
  }
  const mediaType = chooseType(request, query);
  if (mediaType === HTML) return respondShell(store, request);
  if (query !== "") return await listWithQuery(store, context, mediaType);
  const make = () => listRows(store, context, readListingQuery("", `${path}/`), mediaType);
  return sendListing(
    request,
    await sharedListingsOf(store).share(readScopeKey(caller), path, mediaType, make, true),
  );
}

async function listWithQuery(
  store: Store,
  context: RequestContext,
  mediaType: string,
): Promise<Response> {
  const { request, target: { path, query } } = context;
  const listing = readListingQuery(query, `${path}/`);
  // Other parameters make another listing: it is in memory for this client only.
  context.connection?.ownContent?.();
  const make = listing.contents
    // One deadline for all worlds that another process has locked.
    ? () => withLockBudget(new LockBudget(), () => listContents(store, context, listing))
    : () => listRows(store, context, listing, mediaType);
  const isShort = listing.order === "name" && !listing.contents &&
    (listing.limit ?? Infinity) <= SHORT_LISTING_ROWS;
  return sendListing(request, await (isShort ? make() : sharedListingsOf(store).queue(make)));
}

async function listRows(
  store: Store,
  { target: { name, path }, caller }: RequestContext,
  listing: ListingQuery,
  mediaType: string,
): Promise<EncodedListing> {
  const { slices } = sharedListingsOf(store);
  const { rows, more } = await selectListing(store, caller, name, listing, slices);
  const encode = rowEncoder(mediaType);
  const encodeRow = ({ child }: SelectedRow) =>
    encode(toListingRow(child, isRedacted(caller, `/${worldName(name, listing, child)}`)));
  const link = more ? linkAfter(path, listing, rows.at(-1)) : undefined;
  return await encodeListingInSlices(rows, encodeRow, mediaType, slices, link);
}

async function listContents(
  store: Store,
  { target: { name, path }, caller }: RequestContext,
  listing: ListingQuery,
): Promise<EncodedListing> {
  const { slices } = sharedListingsOf(store);
  const { rows, more } = await selectListing(store, caller, name, listing, slices);
  const found = await encodeContents(store, caller, rows, {
    childOf: ({ child }) => child,
    nameOf: ({ child }) => worldName(name, listing, child),
  }, slices);
  const last = found.isCut ? found.rows.at(-1)?.row : rows.at(-1);
  const link = found.isCut || more ? linkAfter(path, listing, last) : undefined;
  const encodeRow = ({ json }: { json: string }) => json;
  return await encodeListingInSlices(found.rows, encodeRow, JSON_TYPE, slices, link);
}

/** The name of the world of a row: rows of a deep listing have full names. */
function worldName(collection: string, { deep }: ListingQuery, child: { name: string }): string {
  return deep || collection === "" ? child.name : `${collection}/${child.name}`;
}

function linkAfter(
  path: string,
  listing: ListingQuery,
  last: SelectedRow | undefined,
): string | undefined {
  if (last === undefined) return undefined;
  return `<${encodePath(path)}/?${formatNextQuery(listing, last)}>; rel="next"`;
}

function chooseType({ headers }: Request, query: string): string {
  const choose = hasQuery(query, "contents") ? chooseContents : chooseListing;
  return choose(headers.get("accept"));
}
