import { assertEquals } from "../support/assert.ts";
import { UNCACHED_HEADERS } from "../../lib/http/headers.ts";

Deno.test("UNCACHED_HEADERS forbid storing and guessing of the media type", () => {
  assertEquals([...new Headers(UNCACHED_HEADERS)], [
    ["cache-control", "no-store"],
    ["x-content-type-options", "nosniff"],
  ]);
});
