import { assertStrictEquals } from "../../support/assert.ts";
import { sha256Hex } from "../../../plugins/kit/sha256.ts";

Deno.test("sha256Hex() hashes bytes, and texts as UTF-8", async () => {
  const empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
  assertStrictEquals(await sha256Hex(""), empty);
  assertStrictEquals(await sha256Hex(new Uint8Array()), empty);
  assertStrictEquals(await sha256Hex("ü"), await sha256Hex(new TextEncoder().encode("ü")));
});
