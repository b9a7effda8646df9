import { assertEquals, assertThrows } from "../support/assert.ts";
import { concatBytes } from "../../lib/base/concat_bytes.ts";

Deno.test("concatBytes() concatenates arrays in order and does not change them", () => {
  const pieces = [Uint8Array.of(1, 2), new Uint8Array(), Uint8Array.of(3)];
  assertEquals(concatBytes(pieces), Uint8Array.of(1, 2, 3));
  assertEquals(concatBytes(pieces, 3), Uint8Array.of(1, 2, 3));
  assertEquals(pieces.map(({ length }) => length), [2, 0, 1]);
  assertEquals(concatBytes([]), new Uint8Array());
});

Deno.test("concatBytes() throws if the arrays exceed the given length", () => {
  assertThrows(() => concatBytes([Uint8Array.of(1, 2)], 1), RangeError);
});
