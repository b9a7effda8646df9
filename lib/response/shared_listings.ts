/**
 * Listings that several clients get: each is made once until a world changes, for all callers that
 * can read the same worlds. A long one is in memory once, however many clients read it slowly.
 */

import type { Pieces } from "../http/pieces.ts";
import { LISTING_CACHE_ENTRIES, MAX_CACHED_LISTING_BYTES } from "../limits.ts";
import type { Store } from "../world/store.ts";
import { type EncodedListing, encodeListing, type ListingRow } from "./listing.ts";

/** Long listings that are looked for among those that are being sent. */
const MAX_LONG_LISTINGS = 256;

const sharedListings = new WeakMap<Store, SharedListings>();

/** Returns the shared listings of a store; the first call creates them. */
export function sharedListingsOf(store: Store): SharedListings {
  let listings = sharedListings.get(store);
  if (listings === undefined) sharedListings.set(store, listings = new SharedListings(store));
  return listings;
}

/** A long listing without its content. */
interface LongListing extends Omit<EncodedListing, "body"> {
  /** Present as long as some response sends it. */
  readonly pieces: WeakRef<Pieces>;
}

/** Makes listings and shares them. */
export class SharedListings {
  readonly #store: Pick<Store, "listingRevision">;
  readonly #cached = new Map<string, EncodedListing>();
  readonly #long = new Map<string, LongListing>();
  readonly #making = new Map<string, Promise<EncodedListing>>();
  /** Revision of these listings. */
  #revision = -1;

  constructor(store: Pick<Store, "listingRevision">) {
    this.#store = store;
  }

  /**
   * Returns a listing.
   *
   * @param scope what the caller can read: callers with the same value share the listing; undefined
   * if it must not be shared
   * @param key what is listed, such as the name of a collection
   * @param mediaType `text/plain` or `application/json`
   * @param listRows returns the rows that the caller can read
   */
  async get(
    scope: string | undefined,
    key: string,
    mediaType: string,
    listRows: () => Promise<readonly ListingRow[]>,
  ): Promise<EncodedListing> {
    if (scope === undefined) return encodeListing(await listRows(), mediaType);
    const revision = this.#store.listingRevision;
    if (revision !== this.#revision) {
      this.#cached.clear();
      this.#long.clear();
      this.#making.clear();
      this.#revision = revision;
    }
    const fullKey = `${mediaType}\n${scope}\n${key}`;
    const found = this.#cached.get(fullKey) ?? this.#findLong(fullKey);
    if (found !== undefined) return found;
    let making = this.#making.get(fullKey);
    if (making === undefined) {
      making = this.#make(fullKey, mediaType, listRows)
        .finally(() => this.#making.get(fullKey) === making && this.#making.delete(fullKey));
      this.#making.set(fullKey, making);
    }
    return await making;
  }

  async #make(
    key: string,
    mediaType: string,
    listRows: () => Promise<readonly ListingRow[]>,
  ): Promise<EncodedListing> {
    const revision = this.#store.listingRevision;
    const listing = encodeListing(await listRows(), mediaType);
    // If a world changed in the meantime, the change may be missing.
    if (this.#store.listingRevision === revision) this.#keep(key, listing);
    return listing;
  }

  #keep(key: string, listing: EncodedListing): void {
    const { body, ...rest } = listing;
    if (rest.length <= MAX_CACHED_LISTING_BYTES) {
      if (this.#cached.size >= LISTING_CACHE_ENTRIES) this.#cached.clear();
      this.#cached.set(key, listing);
    }
    if (body instanceof Uint8Array) return;
    if (this.#long.size >= MAX_LONG_LISTINGS) this.#long.clear();
    this.#long.set(key, { ...rest, pieces: new WeakRef(body) });
  }

  #findLong(key: string): EncodedListing | undefined {
    const long = this.#long.get(key);
    const body = long?.pieces.deref();
    return long && body &&
      { mediaType: long.mediaType, length: long.length, etag: long.etag, body };
  }
}
