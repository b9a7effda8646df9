import { assertEquals } from "../support/assert.ts";
import { sanitizeText } from "../../lib/base/sanitize_text.ts";

Deno.test("sanitizeText() replaces line breaks, terminal controls and direction marks", () => {
  assertEquals(sanitizeText("a\nb\r\x1b[31m\u009b\u202e\u2028z"), "a?b??[31m???z");
  assertEquals(sanitizeText("grüße, 帮我 🗿"), "grüße, 帮我 🗿");
});
