import { deepStrictEqual as equal, throws } from "node:assert/strict";
import { joinBytes } from "../../lib/base/concat_bytes.ts";

Deno.test("joinBytes() puts pieces together in their order, and leaves them as they are", () => {
  const pieces = [Uint8Array.of(1, 2), new Uint8Array(), Uint8Array.of(3)];
  equal(joinBytes(pieces), Uint8Array.of(1, 2, 3));
  equal(joinBytes(pieces, 3), Uint8Array.of(1, 2, 3));
  equal(pieces.map(({ length }) => length), [2, 0, 1]);
  equal(joinBytes([]), new Uint8Array());
});

Deno.test("joinBytes() never writes past the length that it was told", () => {
  throws(() => joinBytes([Uint8Array.of(1, 2)], 1), RangeError);
});
