import { assert } from "../support/assert.ts";
import { toSearchStamp } from "../../lib/world/search_stamp.ts";

Deno.test("toSearchStamp() differs for another version and for another time", () => {
  const time = "2026-11-28T00:00:00.000Z";
  const stamp = toSearchStamp(1, time);
  assert(stamp !== toSearchStamp(2, time));
  assert(stamp !== toSearchStamp(1, "2026-11-28T00:00:00.001Z"));
});
