import { assertEquals } from "../../support/assert.ts";
import { decodeUtf8 } from "../../../plugins/kit/decode_utf8.ts";

Deno.test("decodeUtf8() returns the text of UTF-8 and undefined for other bytes", () => {
  assertEquals(decodeUtf8(new TextEncoder().encode("naïve ✓")), "naïve ✓");
  assertEquals(decodeUtf8(new Uint8Array([0xff])), undefined);
  assertEquals(decodeUtf8(new Uint8Array([0xed, 0xa0, 0x80])), undefined);
  assertEquals(decodeUtf8(new Uint8Array()), "");
});

Deno.test("decodeUtf8() leaves out an incomplete last character only if more follows", () => {
  const cut = new Uint8Array([0x61, 0xe2, 0x9c]);
  assertEquals(decodeUtf8(cut), undefined);
  assertEquals(decodeUtf8(cut, false), "a");
});
