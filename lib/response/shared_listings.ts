/**
 * Listings that several clients get: each is made once until a world changes, for all callers that
 * can read the same worlds. A long one is in memory once, however many clients read it slowly.
 */

import { TimeSlices } from "../base/time_slices.ts";
import type { Pieces } from "../http/pieces.ts";
import {
  LISTING_CACHE_ENTRIES,
  LISTING_SLICE_MS,
  LISTINGS_AT_ONCE,
  MAX_CACHED_LISTING_BYTES,
} from "../limits.ts";
import type { Store } from "../world/store.ts";
import {
  type EncodedListing,
  encodeListingInSlices,
  type ListingRow,
  rowEncoder,
} from "./listing.ts";

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
  /** The slices of all listings of the store that are made in steps. */
  readonly slices = new TimeSlices(LISTING_SLICE_MS);
  readonly #store: Pick<Store, "listingRevision">;
  readonly #cached = new Map<string, EncodedListing>();
  readonly #long = new Map<string, LongListing>();
  readonly #making = new Map<string, Promise<EncodedListing>>();
  readonly #waiting: (() => void)[] = [];
  #queued = 0;
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
    const make = async () =>
      await encodeListingInSlices(await listRows(), rowEncoder(mediaType), mediaType, this.slices);
    return await this.share(scope, key, mediaType, make, true);
  }

  /**
   * Returns a listing that is made in steps. Callers share it while it is made, and while a long one is
   * sent. Parameters as for {@link SharedListings.get}.
   *
   * @param make makes the listing
   * @param isCached whether a short listing is kept until a world changes
   */
  async share(
    scope: string | undefined,
    key: string,
    mediaType: string,
    make: () => Promise<EncodedListing>,
    isCached: boolean,
  ): Promise<EncodedListing> {
    if (scope === undefined) return await make();
    const fullKey = this.#keyOf(scope, key, mediaType);
    return this.#cached.get(fullKey) ?? await this.#share(fullKey, make, isCached);
  }

  /**
   * Makes a listing that few callers ask for. Only some are made at the same time, so that they take a
   * limited amount of memory before the first byte is sent.
   */
  async queue<T>(make: () => Promise<T>): Promise<T> {
    while (this.#queued >= LISTINGS_AT_ONCE) {
      await new Promise<void>((resume) => this.#waiting.push(resume));
    }
    this.#queued++;
    try {
      return await make();
    } finally {
      this.#queued--;
      this.#waiting.shift()?.();
    }
  }

  /** Returns the key of a listing; what was made before a change is forgotten. */
  #keyOf(scope: string, key: string, mediaType: string): string {
    const revision = this.#store.listingRevision;
    if (revision !== this.#revision) {
      this.#cached.clear();
      this.#long.clear();
      this.#making.clear();
      this.#revision = revision;
    }
    return `${mediaType}\n${scope}\n${key}`;
  }

  async #share(
    key: string,
    make: () => Promise<EncodedListing>,
    isCached: boolean,
  ): Promise<EncodedListing> {
    const found = this.#findLong(key);
    if (found !== undefined) return found;
    let making = this.#making.get(key);
    if (making === undefined) {
      making = this.#make(key, make, isCached)
        .finally(() => this.#making.get(key) === making && this.#making.delete(key));
      this.#making.set(key, making);
    }
    return await making;
  }

  async #make(
    key: string,
    make: () => Promise<EncodedListing>,
    isCached: boolean,
  ): Promise<EncodedListing> {
    const revision = this.#store.listingRevision;
    const listing = await make();
    // If a world changed in the meantime, the change may be missing.
    if (this.#store.listingRevision === revision) this.#keep(key, listing, isCached);
    return listing;
  }

  #keep(key: string, listing: EncodedListing, isCached: boolean): void {
    const { body, ...rest } = listing;
    if (isCached && rest.length <= MAX_CACHED_LISTING_BYTES) {
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
    if (long === undefined || body === undefined) return undefined;
    const { pieces: _pieces, ...rest } = long;
    return { ...rest, body };
  }
}
