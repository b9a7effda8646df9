import { equal } from "node:assert/strict";
import { oneLine } from "../../lib/base/sanitize_text.ts";

Deno.test("oneLine() lets no text break a line, command the terminal or turn it round", () => {
  equal(oneLine("a\nb\r\x1b[31m\u009b\u202e\u2028z"), "a?b??[31m???z");
  equal(oneLine("grüße, 帮我 🗿"), "grüße, 帮我 🗿");
});
