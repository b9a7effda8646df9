import { assertEquals, assertStrictEquals } from "../../support/assert.ts";
import { DavLimiter } from "../../../lib/dav/resource/dav_limiter.ts";
import { DAV_LIMITS } from "../../../lib/dav_limits.ts";

Deno.test("DavLimiter counts the requests that each limit refused", () => {
  const limiter = new DavLimiter(DAV_LIMITS);
  const error = new Error("too many");
  assertStrictEquals(limiter.refuse("names", error), error);
  limiter.refuse("names", error);
  const counts = limiter.refused();
  assertEquals(counts.length, Object.keys(DAV_LIMITS).length);
  assertEquals(counts.filter(({ count }) => count > 0), [{ limit: "names", count: 2 }]);
});
