import {
  assert,
  assertEquals,
  assertNotStrictEquals,
  assertStrictEquals,
} from "../support/assert.ts";
import {
  LISTING_CACHE_ENTRIES,
  LISTINGS_AT_ONCE,
  MAX_CACHED_LISTING_BYTES,
} from "../../lib/limits.ts";
import { SharedListings, sharedListingsOf } from "../../lib/response/shared_listings.ts";
import { withApp } from "../support/app.ts";

function createListings() {
  const store = { listingRevision: 0 };
  let made = 0;
  const rows = (length = 1) => () => {
    made++;
    return Promise.resolve([{ name: "x".repeat(length), dir: false }]);
  };
  return { store, rows, listings: new SharedListings(store), made: () => made };
}

Deno.test("SharedListings makes a listing once for callers with equal rights, until a change", async () => {
  const { store, rows, listings, made } = createListings();
  const get = (scope: string | undefined, key = "/home") =>
    listings.get(scope, key, "text/plain", rows());
  const [one, two] = await Promise.all([get("public"), get("public")]);
  assertStrictEquals(one, two);
  assertStrictEquals(await get("public"), one);
  assertEquals(made(), 1);
  assertNotStrictEquals(await get("all"), one);
  assertNotStrictEquals(await get("public", "/etc"), one);
  await get(undefined);
  await get(undefined);
  assertEquals(made(), 5);
  store.listingRevision++;
  assertNotStrictEquals(await get("public"), one);
});

Deno.test("SharedListings does not keep a listing if something changed while it was made", async () => {
  const { store, rows, listings, made } = createListings();
  const change = async () => {
    const found = await rows()();
    store.listingRevision++;
    return found;
  };
  await listings.get("public", "/home", "text/plain", change);
  await listings.get("public", "/home", "text/plain", rows());
  assertEquals(made(), 2);
});

Deno.test("SharedListings shares a listing that is too long for its cache while it is in use", async () => {
  const { rows, listings, made } = createListings();
  const long = rows(MAX_CACHED_LISTING_BYTES + 1);
  const first = await listings.get("public", "/home", "text/plain", long);
  const second = await listings.get("public", "/home", "text/plain", long);
  assertStrictEquals(first.body, second.body);
  assertEquals([made(), first.etag, first.length], [1, second.etag, second.length]);
});

Deno.test("SharedListings caches a limited number of listings", async () => {
  const { rows, listings, made } = createListings();
  for (let i = 0; i <= LISTING_CACHE_ENTRIES; i++) {
    await listings.get("public", `/${i}`, "text/plain", rows());
  }
  await listings.get("public", `/${LISTING_CACHE_ENTRIES}`, "text/plain", rows());
  assertEquals(made(), LISTING_CACHE_ENTRIES + 1);
  await listings.get("public", "/0", "text/plain", rows());
  assertEquals(made(), LISTING_CACHE_ENTRIES + 2);
});

Deno.test("sharedListingsOf() notices marks of collections, which are not changes of worlds", async () => {
  await withApp({}, async ({ ask, store }) => {
    assertStrictEquals(sharedListingsOf(store), sharedListingsOf(store));
    const listed = async () => await (await ask("GET", "/home/")).text();
    assert(!(await listed()).includes("empty"));
    await store.markCollection("home/empty", true);
    assert((await listed()).includes("empty/"));
    await store.markCollection("home/empty", false);
    assert(!(await listed()).includes("empty"));
  });
});

Deno.test("SharedListings.queue() makes a limited number of listings at the same time, also after an error", async () => {
  const { listings } = createListings();
  let running = 0;
  let most = 0;
  const gates = Array.from({ length: LISTINGS_AT_ONCE + 3 }, () => Promise.withResolvers<void>());
  const made = gates.map(({ promise }, at) =>
    listings.queue(async () => {
      most = Math.max(most, ++running);
      await promise;
      running--;
      if (at === 0) throw new Error("the first fails");
      return at;
    })
  );
  const settled = Promise.allSettled(made);
  for (const gate of gates) {
    await new Promise((resume) => setImmediate(resume));
    gate.resolve();
  }
  const results = await settled;
  assertEquals(results.map(({ status }) => status === "fulfilled"), gates.map((_, at) => at > 0));
  assertEquals(most, LISTINGS_AT_ONCE);
});
