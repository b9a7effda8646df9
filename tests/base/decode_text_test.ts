import { assertEquals } from "../support/assert.ts";
import { decodeText, splitLines } from "../../lib/base/decode_text.ts";

function utf16(text: string, littleEndian: boolean): Uint8Array {
  const bytes = new Uint8Array(2 + text.length * 2);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, 0xfeff, littleEndian);
  for (let i = 0; i < text.length; i++) {
    view.setUint16(2 + i * 2, text.charCodeAt(i), littleEndian);
  }
  return bytes;
}

Deno.test("decodeText() removes a byte order mark and decodes UTF-16 of both byte orders", () => {
  const text = "ü 域\r\n\u{1f600}";
  const utf8 = new TextEncoder().encode(text);
  assertEquals(decodeText(utf8), text);
  assertEquals(decodeText(Uint8Array.of(0xef, 0xbb, 0xbf, ...utf8)), text);
  assertEquals(decodeText(utf16(text, true)), text);
  assertEquals(decodeText(utf16(text, false)), text);
  assertEquals(decodeText(new Uint8Array()), "");
});

Deno.test("decodeText() refuses bytes that are not text", () => {
  const rows: Record<string, Uint8Array> = {
    "invalid UTF-8": Uint8Array.of(0x61, 0xff),
    "a truncated character": Uint8Array.of(0xc3),
    "UTF-16 without a byte order mark": utf16("ab", true).subarray(2),
    "UTF-16 with half a unit": utf16("ab", true).subarray(0, 5),
    "an unpaired surrogate": utf16("\ud83d", false),
    "a NUL character": Uint8Array.of(0x61, 0),
  };
  for (const [name, bytes] of Object.entries(rows)) {
    assertEquals(decodeText(bytes), undefined, name);
  }
});

Deno.test("splitLines() ends lines at LF, CRLF and CR", () => {
  assertEquals(splitLines("a\nb\r\nc\rd"), ["a", "b", "c", "d"]);
  assertEquals(splitLines(""), [""]);
});
