import { assertEquals, assertMatch } from "../../support/assert.ts";
import { misleadingFault } from "../../../plugins/kit/misleading_text.ts";

// `tests/base/misleading_text_test.ts` has the table of cases for the server and the kit.
Deno.test("misleadingFault() of the kit names the character that hides", () => {
  assertEquals(misleadingFault("home/notes"), undefined);
  assertMatch(misleadingFault("home/no\u200btes") ?? "", /U\+200B/);
});
