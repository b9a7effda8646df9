import { assertEquals } from "../support/assert.ts";
import { createCodingChooser, isCompressible } from "../../lib/http/content_coding.ts";

Deno.test("createCodingChooser() follows q-values, exclusions and the server's order", () => {
  const choose = createCodingChooser(["br", "gzip"]);
  const rows: [string | null, string | undefined][] = [
    [null, undefined],
    ["", undefined],
    ["gzip", "gzip"],
    ["gzip, deflate, br, zstd", "br"],
    ["GZIP", "gzip"],
    ["*", "br"],
    ["br;q=0, gzip", "gzip"],
    ["*, br;q=0", "gzip"],
    ["identity", undefined],
    ["identity, gzip;q=0.5", undefined],
    ["identity;q=0, gzip", "gzip"],
    ["gzip;q=0", undefined],
    ["*;q=0", undefined],
    ["zstd, deflate", undefined],
    [",;=", undefined],
    [`gzip,${" ".repeat(5000)}`, undefined],
  ];
  for (const [header, expected] of rows) assertEquals(choose(header), expected, String(header));
  // Again, from the cache.
  for (const [header, expected] of rows) assertEquals(choose(header), expected, String(header));
});

Deno.test("isCompressible() accepts text of any type, and no event stream", () => {
  for (
    const type of [
      "text/html; charset=utf-8",
      "TEXT/CSV",
      "application/json",
      "application/problem+json",
      "application/manifest+json",
      "application/javascript; charset=utf-8",
      "application/openmetrics-text; version=1.0.0",
      "image/svg+xml",
    ]
  ) assertEquals(isCompressible(type), true, type);
  for (
    const type of [
      null,
      "",
      "image/png",
      "application/octet-stream",
      "application/gzip",
      "application/jsonfoo",
      "text/event-stream",
      "video/mp4",
      "application/wasm",
    ]
  ) assertEquals(isCompressible(type), false, String(type));
});
