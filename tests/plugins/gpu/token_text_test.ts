import { assertEquals } from "../../support/assert.ts";
import { TokenText } from "../../../plugins/gpu/token_text.ts";

Deno.test("TokenText joins the halves of a surrogate pair", () => {
  const text = new TokenText();
  assertEquals(["a\ud83d", "\ude00b", "", "\ud83d", "\ude01"].map((token) => text.push(token)), [
    "a",
    "😀b",
    "",
    "",
    "😁",
  ]);
  assertEquals(text.end(), "");
});

Deno.test("TokenText.end() replaces half a character at the end", () => {
  const text = new TokenText();
  assertEquals([text.push("x\ud83d"), text.end(), text.end()], ["x", "\ufffd", ""]);
});
