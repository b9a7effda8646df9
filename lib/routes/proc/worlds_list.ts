/**
 * `/proc/worlds`: every world the caller may read. Clients and plugins ask again and again whether
 * anything is new, so a list once made is kept until a world changes, for all who see the same. It
 * never serves a list to anybody whose sight is another.
 */

import { canRead, readScopeKey } from "../../auth/policy.ts";
import type { RequestContext } from "../../request/request_context.ts";
import { type EncodedListing, encodeListing, sendListing } from "../../response/listing.ts";
import { respondShell } from "../../response/shell_page.ts";
import { MAX_CACHED_WORLDS_LIST_BYTES, WORLDS_LIST_CACHE_ENTRIES } from "../../limits.ts";
import type { Store, WorldEntry } from "../../world/store.ts";
import { chooseRowsType } from "../../response/row_listing.ts";

/** See the module. */
export class WorldsList {
  readonly #store: Store;
  readonly #kept = new Map<string, EncodedListing>();
  /** The change after which what is kept was made. */
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
    const form = chooseRowsType(request.headers.get("accept"));
    if (form === "text/html") return await respondShell(this.#store, request);
    return sendListing(request, await this.#list(context, form));
  }

  async #list({ caller }: RequestContext, form: string): Promise<EncodedListing> {
    const sight = readScopeKey(caller);
    const key = sight === undefined ? undefined : `${form}\n${sight}`;
    const { seq } = this.#store;
    if (seq !== this.#seq) {
      this.#kept.clear();
      this.#seq = seq;
    }
    const kept = key === undefined ? undefined : this.#kept.get(key);
    if (kept !== undefined) return kept;
    const all = await this.#store.walk("");
    const rows = all.filter((entry) => canRead(caller, `/${entry.name}`)).map(worldRow);
    const made = encodeListing(rows, form);
    // What changed while it was made may be in it or not.
    if (
      key !== undefined && this.#store.seq === seq &&
      made.body.length <= MAX_CACHED_WORLDS_LIST_BYTES
    ) {
      if (this.#kept.size >= WORLDS_LIST_CACHE_ENTRIES) this.#kept.clear();
      this.#kept.set(key, made);
    }
    return made;
  }
}

function worldRow({ name, version, ext, len, updatedAt, state, layer }: WorldEntry) {
  return {
    name,
    dir: false,
    version,
    ext,
    len,
    updated_at: updatedAt,
    layer,
    ...(state === "" ? {} : { state }),
  };
}
