import { assertEquals, assertThrows, errorWith } from "../../support/assert.ts";
import { Problem } from "../../../lib/http/problem.ts";
import type { Child } from "../../../lib/world/store.ts";
import {
  comparePositions,
  formatNextQuery,
  positionOf,
  readListingQuery,
} from "../../../lib/routes/listing/listing_query.ts";

const CHILD: Child = {
  name: "x,y",
  dir: false,
  entry: {
    name: "home/x,y",
    version: 1,
    ext: "md",
    len: 12,
    state: "",
    updatedAt: "2026-01-02T03:04:05.678Z",
    layer: "upper",
    by: "T2",
    head: 1,
    headAt: "",
  },
};

Deno.test("readListingQuery() reads every parameter, and a time in UTC", () => {
  assertEquals(readListingQuery("deep", "/home/"), { deep: true, contents: false, order: "name" });
  assertEquals(
    readListingQuery(
      "sort=time&since=2026-01-02T04:04:05%2B01:00&limit=3&contents&after=2026-01-02T03:04:05Z,a,b",
      "/home/",
    ),
    {
      deep: false,
      contents: true,
      order: "time",
      since: "2026-01-02T03:04:05.000Z",
      limit: 3,
      after: { key: "2026-01-02T03:04:05.000Z", name: "a,b" },
    },
  );
});

Deno.test("readListingQuery() refuses a position of another order, and shows a valid one", () => {
  for (
    const query of ["sort=time&after=x", "sort=size&after=big,x", "after=", "sort=size&after=1,"]
  ) {
    assertThrows(
      () => readListingQuery(query, "/home/"),
      errorWith(Problem, "is not a position in the order of"),
    );
  }
});

Deno.test("formatNextQuery() returns a query that reads back as the same listing after a row", () => {
  for (const order of ["name", "time", "size"] as const) {
    const listing = {
      deep: true,
      contents: true,
      order,
      since: "2026-01-02T03:04:05.678Z",
      limit: 9,
    };
    const after = positionOf(CHILD, order, false);
    assertEquals(readListingQuery(formatNextQuery(listing, after), "/"), { ...listing, after });
    const dir = positionOf({ name: "c", dir: true }, order, false);
    assertEquals(readListingQuery(formatNextQuery(listing, dir), "/").after, dir);
  }
});

Deno.test("positionOf() gives a redacted world no length", () => {
  assertEquals(positionOf(CHILD, "size", false).key, 12);
  assertEquals(
    positionOf(CHILD, "size", true),
    positionOf({ name: "x,y", dir: true }, "size", false),
  );
});

Deno.test("comparePositions() orders by key downwards, then by name upwards", () => {
  const sorted = [
    { key: 2, name: "b" },
    { key: 9, name: "c" },
    { key: 2, name: "a-b" },
    { key: 2, name: "a/b" },
  ].sort(comparePositions);
  assertEquals(sorted.map(({ name }) => name), ["c", "a/b", "a-b", "b"]);
});
