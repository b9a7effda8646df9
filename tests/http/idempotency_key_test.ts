import { assert, assertEquals } from "../support/assert.ts";
import { parseIdempotencyKey } from "../../lib/http/idempotency_key.ts";
import { MAX_IDEMPOTENCY_KEY_CHARS } from "../../lib/limits.ts";

Deno.test("parseIdempotencyKey() reads a quoted string and a bare key as the same key", () => {
  for (
    const [header, key] of [
      ["a", "a"],
      ['"a"', "a"],
      ['"a b"', "a b"],
      ['"a\\"b\\\\c"', 'a"b\\c'],
      ["8e03978e-40d5-43dd-bc93-6894a57f9324", "8e03978e-40d5-43dd-bc93-6894a57f9324"],
      ["a\\b", "a\\b"],
    ] as const
  ) assertEquals(parseIdempotencyKey(header), { key }, header);
});

Deno.test("parseIdempotencyKey() refuses empty, unfinished, repeated and foreign keys", () => {
  for (
    const header of ["", '""', '"', '"a', '"a"b', "a b", "a, b", '"a", "b"', "é", '"\t"', '"\\a"']
  ) {
    assert("fault" in parseIdempotencyKey(header), header);
  }
});

Deno.test("parseIdempotencyKey() accepts the longest key and no longer one", () => {
  const longest = "k".repeat(MAX_IDEMPOTENCY_KEY_CHARS);
  for (const form of [longest, `"${longest}"`]) {
    assertEquals(parseIdempotencyKey(form), { key: longest });
    const longer = parseIdempotencyKey(form.replace("k", "kk"));
    assert("fault" in longer && longer.fault.includes("has 256 characters"));
  }
});
