import { assertEquals, assertStrictEquals, assertThrows } from "../support/assert.ts";
import { type ListingRow, respondListing, toListingRow } from "../../lib/response/listing.ts";
import { Problem } from "../../lib/http/problem.ts";

const ENTRY = {
  name: "home/a",
  version: 3,
  ext: "md",
  len: 12,
  state: "",
  updatedAt: "2026-01-02T03:04:05.678Z",
  layer: "upper",
  by: "T2",
  head: 3,
  headAt: "2026-01-02T03:04:05.678Z",
} as const;

const ROWS: readonly ListingRow[] = [
  toListingRow({ name: "a", dir: true, entry: ENTRY }, false),
  toListingRow({ name: "b", dir: true }, false),
  toListingRow({ name: "c d", dir: false, entry: ENTRY }, false),
  { name: "dev", dir: false, description: "a route" },
];

function ask(form: string, headers: Record<string, string> = {}, rows = ROWS): Response {
  return respondListing(new Request("http://machine/home/", { headers }), rows, form);
}

Deno.test("toListingRow() returns the facts of a world, and only the name of a collection", () => {
  assertEquals(toListingRow({ name: "a", dir: false, entry: ENTRY }, false), {
    name: "a",
    dir: false,
    version: 3,
    ext: "md",
    len: 12,
    updated_at: "2026-01-02T03:04:05.678Z",
    by: "T2",
  });
  assertEquals(toListingRow({ name: "b", dir: true }, false), { name: "b", dir: true });
  assertEquals(
    toListingRow({ name: "p", dir: false, entry: { ...ENTRY, state: "active" } }, false).state,
    "active",
  );
});

Deno.test("respondListing() sends one name per line as text, two lines for a world with a collection", async () => {
  const response = ask("text/plain");
  assertEquals(await response.text(), "a\na/\nb/\nc d\ndev\n");
  assertEquals(response.headers.get("content-type"), "text/plain; charset=utf-8");
});

Deno.test("respondListing() sends the rows as JSON", async () => {
  const response = ask("application/json");
  assertEquals(await response.json(), ROWS);
  assertEquals(response.headers.get("content-type"), "application/json");
});

Deno.test("respondListing() varies by Accept, requires revalidation, and forbids sniffing", () => {
  for (const form of ["text/plain", "application/json"]) {
    const { headers } = ask(form);
    assertEquals(headers.get("vary"), "Accept");
    assertEquals(headers.get("cache-control"), "no-cache");
    assertEquals(headers.get("x-content-type-options"), "nosniff");
    assertEquals(headers.get("last-modified"), null);
  }
});

Deno.test("respondListing() sends a tag for each media type and each content", () => {
  const tags = [
    ask("text/plain"),
    ask("application/json"),
    ask("text/plain", {}, ROWS.slice(1)),
    ask("application/json", {}, [{ ...ROWS[0], name: "a", dir: true, version: 4 }]),
    ask("text/plain", {}, []),
    ask("application/json", {}, []),
  ].map(({ headers }) => headers.get("etag"));
  assertStrictEquals(new Set(tags).size, tags.length);
  assertStrictEquals(ask("text/plain").headers.get("etag"), tags[0]);
});

Deno.test("respondListing() answers 304 to its own tag and 412 to another If-Match", () => {
  const tag = ask("text/plain").headers.get("etag") ?? "";
  const unchanged = ask("text/plain", { "if-none-match": tag });
  assertEquals([unchanged.status, unchanged.headers.get("etag")], [304, tag]);
  assertEquals(ask("application/json", { "if-none-match": tag }).status, 200);
  assertEquals(
    ask("text/plain", { "if-modified-since": new Date(1e13).toUTCString() }).status,
    200,
  );
  assertEquals(ask("text/plain", { "if-match": tag }).status, 200);
  assertThrows(
    () => ask("application/json", { "if-match": tag }),
    (error: unknown) => error instanceof Problem && error.type === "precondition-failed",
  );
});

Deno.test("toListingRow() leaves out the length of a redacted world", () => {
  assertEquals("len" in toListingRow({ name: "a", dir: false, entry: ENTRY }, true), false);
});
