import { assertEquals } from "../support/assert.ts";
import { RequestCounts, WAIT_BOUNDS_SECONDS } from "../../lib/observe/request_counts.ts";

Deno.test("RequestCounts counts by method and class of status", () => {
  const counts = new RequestCounts();
  assertEquals(counts.list(), []);
  counts.countResponse("GET", 200);
  counts.countResponse("GET", 206);
  counts.countResponse("GET", 404);
  counts.countResponse("PROPFIND", 207);
  counts.countResponse("BREW", 501);
  counts.countResponse("get", 501);
  assertEquals(counts.list(), [
    { method: "GET", status: "2xx", count: 2 },
    { method: "GET", status: "4xx", count: 1 },
    { method: "PROPFIND", status: "2xx", count: 1 },
    { method: "other", status: "5xx", count: 2 },
  ]);
});

Deno.test("RequestCounts ignores an invalid status", () => {
  const counts = new RequestCounts();
  for (const status of [0, 99, Number.NaN]) counts.countResponse("GET", status);
  assertEquals(counts.list(), []);
});

Deno.test("RequestCounts puts a waiting time into the first bucket whose bound is not below it", () => {
  const counts = new RequestCounts();
  counts.observeWait(1);
  counts.observeWait(1.5);
  counts.observeWait(29_999);
  counts.observeWait(31_000);
  const { buckets, seconds } = counts.waits();
  assertEquals(buckets.length, WAIT_BOUNDS_SECONDS.length + 1);
  assertEquals(buckets[0], 1);
  assertEquals(buckets[1], 1);
  assertEquals(buckets.at(-2), 1);
  assertEquals(buckets.at(-1), 1);
  assertEquals(seconds.toFixed(4), "61.0015");
});
