import { assertEquals, assertStrictEquals, assertThrows } from "../../support/assert.ts";
import {
  readDepth,
  readLockToken,
  readOverwrite,
  readTimeout,
} from "../../../lib/dav/resource/dav_headers.ts";
import { Problem } from "../../../lib/http/problem.ts";
import { DAV_LOCK_SECONDS, MAX_DAV_LOCK_SECONDS } from "../../../lib/dav_limits.ts";

const bad = (error: unknown) => error instanceof Problem && error.status === 400;

Deno.test("readDepth() accepts only the allowed values", () => {
  const read = (depth?: string) =>
    readDepth(new Headers(depth === undefined ? {} : { depth }), "infinity", ["0", "infinity"]);
  assertEquals(read(), "infinity");
  assertEquals(read("0"), "0");
  assertEquals(read("Infinity"), "infinity");
  for (const depth of ["1", "2", "", "-1", "0, 0", "infinity,noroot"]) {
    assertThrows(() => read(depth), bad, depth);
  }
});

Deno.test("readOverwrite() is true unless the header is F", () => {
  const read = (overwrite?: string) =>
    readOverwrite(new Headers(overwrite === undefined ? {} : { overwrite }));
  assertEquals(read(), true);
  assertEquals(read("T"), true);
  assertEquals(read("f"), false);
  for (const overwrite of ["", "no", "T, F"]) assertThrows(() => read(overwrite), bad, overwrite);
});

Deno.test("readTimeout() returns the first valid value up to the maximum", () => {
  const read = (timeout?: string) =>
    readTimeout(new Headers(timeout === undefined ? {} : { timeout }));
  assertStrictEquals(read(), DAV_LOCK_SECONDS);
  assertEquals(read("Second-60"), 60);
  assertStrictEquals(read("Infinite, Second-60"), MAX_DAV_LOCK_SECONDS);
  assertStrictEquals(read("Second-4100000000"), MAX_DAV_LOCK_SECONDS);
  assertEquals(read("Extend, second-5"), 5);
  assertEquals(read("Second-0"), 1);
  assertStrictEquals(read("soon"), DAV_LOCK_SECONDS);
});

Deno.test("readLockToken() returns the URL in brackets", () => {
  const read = (token?: string) =>
    readLockToken(new Headers(token === undefined ? {} : { "lock-token": token }));
  assertEquals(read("<urn:uuid:1>"), "urn:uuid:1");
  for (const token of [undefined, "", "urn:uuid:1", "<>", "<a> <b>", "<a b>"]) {
    assertThrows(() => read(token), bad, token);
  }
});
