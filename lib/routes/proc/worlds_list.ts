/**
 * `/proc/worlds`: every world that the caller can read. Clients and plugins poll it for changes, so
 * callers that can read the same worlds share a list until a world changes.
 */

import { isRedacted, readScopeKey } from "../../auth/policy.ts";
import { isCanonicalPath } from "../../http/path.ts";
import { Problem } from "../../http/problem.ts";
import { readQueryValue } from "../../http/query.ts";
import { createTypeChooser } from "../../http/negotiate.ts";
import type { RequestContext } from "../../request/request_context.ts";
import { encodeListingInSlices, rowEncoder, sendListing } from "../../response/listing.ts";
import { sharedListingsOf } from "../../response/shared_listings.ts";
import { respondShell } from "../../response/shell_page.ts";
import type { Store, WorldEntry } from "../../world/store.ts";
import { selectWorlds } from "../listing/listing_selection.ts";

const HTML = "text/html";
const chooseType = createTypeChooser(["application/json", "text/plain", HTML], "application/json");

/**
 * Answers a GET or HEAD of `/proc/worlds`: a JSON array, or one name per line for a client that
 * prefers text. `?prefix=/home/x` lists that world and what is below it.
 *
 * @throws {Problem} `bad-query`, `precondition-failed`
 */
export async function listWorlds(store: Store, context: RequestContext): Promise<Response> {
  const { request, caller, target } = context;
  const mediaType = chooseType(request.headers.get("accept"));
  if (mediaType === HTML) return await respondShell(store, request);
  const prefix = readPrefix(target.query);
  const listings = sharedListingsOf(store);
  const make = async () => {
    const { slices } = listings;
    const entries = await selectWorlds(store, caller, prefix, slices);
    const encode = rowEncoder(mediaType);
    const encodeRow = (entry: WorldEntry) =>
      encode(worldRow(entry, isRedacted(caller, `/${entry.name}`)));
    return await encodeListingInSlices(entries, encodeRow, mediaType, slices);
  };
  const key = `/proc/worlds?${prefix}`;
  return sendListing(
    request,
    await listings.share(readScopeKey(caller), key, mediaType, make, true),
  );
}

/** Returns the name at which the list begins; `""` is the whole tree. */
function readPrefix(query: string): string {
  const text = readQueryValue(query, "prefix");
  if (text === null || text === "" || text === "/") return "";
  const path = (text.startsWith("/") ? text : `/${text}`).normalize("NFC").replace(/\/$/, "");
  if (isCanonicalPath(path)) return path.slice(1);
  throw new Problem(
    "bad-query",
    `Cannot list the worlds: ?prefix=${text.slice(0, 100)} is not a canonical path such as /home/x`,
  );
}

function worldRow(
  { name, version, ext, len, updatedAt, state, layer, by }: WorldEntry,
  hasRedactedBody: boolean,
) {
  return {
    name,
    dir: false,
    version,
    ext,
    ...(hasRedactedBody ? {} : { len }),
    updated_at: updatedAt,
    ...(by === "" ? {} : { by }),
    layer,
    ...(state === "" ? {} : { state }),
  };
}
