/**
 * `/proc/worlds`: every world that the caller can read. Clients and plugins poll it for changes, so
 * a list is cached until a world changes. A cached list is shared only by callers that can read the
 * same worlds.
 */

import { canRead, isRedacted, readScopeKey } from "../../auth/policy.ts";
import type { RequestContext } from "../../request/request_context.ts";
import { type EncodedListing, encodeListing, sendListing } from "../../response/listing.ts";
import { respondShell } from "../../response/shell_page.ts";
import { MAX_CACHED_WORLDS_LIST_BYTES, WORLDS_LIST_CACHE_ENTRIES } from "../../limits.ts";
import type { Store, WorldEntry } from "../../world/store.ts";
import { chooseRowsType } from "../../response/row_listing.ts";

/** Lists worlds and caches the lists. */
export class WorldsList {
  readonly #store: Store;
  readonly #cache = new Map<string, EncodedListing>();
  /** Sequence number of the last change before the cached lists. */
  #seq = -1;

  constructor(store: Store) {
    this.#store = store;
  }

  /**
   * Answers a GET or HEAD.
   *
   * @throws {Problem} `precondition-failed`
   */
  async respond(context: RequestContext): Promise<Response> {
    const { request } = context;
    const mediaType = chooseRowsType(request.headers.get("accept"));
    if (mediaType === "text/html") return await respondShell(this.#store, request);
    return sendListing(request, await this.#list(context, mediaType));
  }

  async #list({ caller }: RequestContext, mediaType: string): Promise<EncodedListing> {
    const scopeKey = readScopeKey(caller);
    const key = scopeKey === undefined ? undefined : `${mediaType}\n${scopeKey}`;
    const { seq } = this.#store;
    if (seq !== this.#seq) {
      this.#cache.clear();
      this.#seq = seq;
    }
    const cached = key === undefined ? undefined : this.#cache.get(key);
    if (cached !== undefined) return cached;
    const all = await this.#store.walk("");
    const rows = all.filter((entry) => canRead(caller, `/${entry.name}`))
      .map((entry) => worldRow(entry, isRedacted(caller, `/${entry.name}`)));
    const listing = encodeListing(rows, mediaType);
    // A list is not cached if a world changed during the walk: the change may be missing in it.
    if (
      key !== undefined && this.#store.seq === seq &&
      listing.body.length <= MAX_CACHED_WORLDS_LIST_BYTES
    ) {
      if (this.#cache.size >= WORLDS_LIST_CACHE_ENTRIES) this.#cache.clear();
      this.#cache.set(key, listing);
    }
    return listing;
  }
}

function worldRow(
  { name, version, ext, len, updatedAt, state, layer }: WorldEntry,
  hasRedactedBody: boolean,
) {
  return {
    name,
    dir: false,
    version,
    ext,
    ...(hasRedactedBody ? {} : { len }),
    updated_at: updatedAt,
    layer,
    ...(state === "" ? {} : { state }),
  };
}
