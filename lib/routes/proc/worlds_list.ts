/**
 * `/proc/worlds`: every world the caller may read. Clients and plugins ask again and again whether
 * anything is new, so a list once made is kept until a world changes, for all who see the same. It
 * never serves a list to anybody whose sight is another.
 */

import { sightOf, visible } from "../../auth/policy.ts";
import type { Exchange } from "../../request/request_context.ts";
import { type MadeListing, makeListing, sendListing } from "../../response/listing.ts";
import { respondShell } from "../../response/shell_page.ts";
import { KEPT_LIST_BYTES, KEPT_LISTS } from "../../limits.ts";
import type { Entry, Store } from "../../world/store.ts";
import { rowsForm } from "../../response/row_listing.ts";

/** See the module. */
export class WorldsList {
  readonly #store: Store;
  readonly #kept = new Map<string, MadeListing>();
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
  async respond(exchange: Exchange): Promise<Response> {
    const { request } = exchange;
    const form = rowsForm(request.headers.get("accept"));
    if (form === "text/html") return await respondShell(this.#store, request);
    return sendListing(request, await this.#list(exchange, form));
  }

  async #list({ caller }: Exchange, form: string): Promise<MadeListing> {
    const sight = sightOf(caller);
    const key = sight === undefined ? undefined : `${form}\n${sight}`;
    const { seq } = this.#store;
    if (seq !== this.#seq) {
      this.#kept.clear();
      this.#seq = seq;
    }
    const kept = key === undefined ? undefined : this.#kept.get(key);
    if (kept !== undefined) return kept;
    const all = await this.#store.walk("");
    const rows = all.filter((entry) => visible(caller, `/${entry.name}`)).map(worldRow);
    const made = makeListing(rows, form);
    // What changed while it was made may be in it or not.
    if (key !== undefined && this.#store.seq === seq && made.body.length <= KEPT_LIST_BYTES) {
      if (this.#kept.size >= KEPT_LISTS) this.#kept.clear();
      this.#kept.set(key, made);
    }
    return made;
  }
}

function worldRow({ name, version, ext, len, updatedAt, state, layer }: Entry) {
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
