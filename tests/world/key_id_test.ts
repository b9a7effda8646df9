import { assert, assertEquals, assertMatch } from "../support/assert.ts";
import { createHmac } from "node:crypto";
import { toKeyId } from "../../lib/world/key_id.ts";

Deno.test("toKeyId() returns 64 bits of the HMAC of a fixed text", () => {
  for (const key of ["ab".repeat(32), "any text", "ключ 🔑"]) {
    const id = toKeyId(key);
    assertMatch(id, /^[0-9a-f]{16}$/);
    assertEquals(id, createHmac("sha256", key).update("elastik key id").digest("hex").slice(0, 16));
    assert(!key.includes(id));
  }
});
