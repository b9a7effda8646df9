import { assertEquals } from "../../support/assert.ts";
import { encodePath } from "../../../plugins/kit/encode_path.ts";

Deno.test("encodePath() encodes every segment and keeps the slashes", () => {
  assertEquals(encodePath("/home/a b/100%/ü?#"), "/home/a%20b/100%25/%C3%BC%3F%23");
});
