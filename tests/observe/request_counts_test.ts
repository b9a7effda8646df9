import { deepStrictEqual as equal } from "node:assert/strict";
import { RequestCounts, WAIT_BOUNDS_SECONDS } from "../../lib/observe/request_counts.ts";

Deno.test("RequestCounts counts by method and class of status", () => {
  const counts = new RequestCounts();
  equal(counts.list(), []);
  counts.countResponse("GET", 200);
  counts.countResponse("GET", 206);
  counts.countResponse("GET", 404);
  counts.countResponse("PROPFIND", 207);
  counts.countResponse("BREW", 501);
  counts.countResponse("get", 501);
  equal(counts.list(), [
    { method: "GET", status: "2xx", count: 2 },
    { method: "GET", status: "4xx", count: 1 },
    { method: "PROPFIND", status: "2xx", count: 1 },
    { method: "other", status: "5xx", count: 2 },
  ]);
});

Deno.test("RequestCounts ignores an invalid status", () => {
  const counts = new RequestCounts();
  for (const status of [0, 99, Number.NaN]) counts.countResponse("GET", status);
  equal(counts.list(), []);
});

Deno.test("RequestCounts puts a waiting time into the first bucket whose bound is not below it", () => {
  const counts = new RequestCounts();
  counts.observeWait(1);
  counts.observeWait(1.5);
  counts.observeWait(29_999);
  counts.observeWait(31_000);
  const { buckets, seconds } = counts.waits();
  equal(buckets.length, WAIT_BOUNDS_SECONDS.length + 1);
  equal(buckets[0], 1);
  equal(buckets[1], 1);
  equal(buckets.at(-2), 1);
  equal(buckets.at(-1), 1);
  equal(seconds.toFixed(4), "61.0015");
});
