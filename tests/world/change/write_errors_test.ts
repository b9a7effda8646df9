import { assertEquals, assertMatch } from "../../support/assert.ts";
import { otherKey, removedOutside, tooLarge } from "../../../lib/world/change/write_errors.ts";

Deno.test("the errors of refused changes say what would be sufficient", () => {
  const key = otherKey("home/a", "move");
  assertEquals([key.code, key.world], ["other-key", "home/a"]);
  assertMatch(key.message, /^Cannot move the world: another key signed .* ELASTIK_KEY/);
  const large = tooLarge("home/a", 11, 10);
  assertEquals([large.code, large.world], ["too-large", "home/a"]);
  assertMatch(large.message, /11 bytes; at most 10/);
  assertEquals(removedOutside("home/a").code, "absent");
});
