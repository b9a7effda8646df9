import { deepStrictEqual as equal } from "node:assert/strict";
import { UNCACHED_HEADERS } from "../../lib/http/headers.ts";

Deno.test("UNCACHED_HEADERS forbid storing and guessing of the media type", () => {
  equal([...new Headers(UNCACHED_HEADERS)], [
    ["cache-control", "no-store"],
    ["x-content-type-options", "nosniff"],
  ]);
});
