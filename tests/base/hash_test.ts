import { hmacSha256, isSameSecret, sha256Hex } from "../../lib/base/hash.ts";
import { assertEquals } from "../support/assert.ts";

Deno.test("sha256Hex() returns the digests of FIPS 180-4 for text and bytes", () => {
  const digest = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
  assertEquals(sha256Hex("abc"), digest);
  assertEquals(sha256Hex(new TextEncoder().encode("abc")), digest);
  assertEquals(sha256Hex("é"), sha256Hex(new Uint8Array([0xc3, 0xa9])));
});

Deno.test("hmacSha256() returns the codes of RFC 4231", () => {
  const code = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
  assertEquals(hmacSha256("Jefe", "what do ya want for nothing?").toHex(), code);
});

Deno.test("isSameSecret() compares texts of any length", () => {
  assertEquals(isSameSecret("secret", "secret"), true);
  assertEquals(isSameSecret("", ""), true);
  for (const other of ["", "secre", "secret ", "Secret"]) {
    assertEquals(isSameSecret("secret", other), false, other);
  }
});
