/**
 * The assertions of all tests: the functions of `node:assert/strict` under the names of Deno's
 * standard library. The arguments are those of `node:assert/strict`; in particular, the second
 * argument of `assertThrows` and `assertRejects` is a class, a pattern, an object or a predicate.
 */
export {
  AssertionError,
  deepStrictEqual as assertEquals,
  doesNotMatch as assertNotMatch,
  doesNotReject as assertNotRejects,
  doesNotThrow as assertNotThrows,
  fail,
  match as assertMatch,
  notDeepStrictEqual as assertNotEquals,
  notStrictEqual as assertNotStrictEquals,
  ok as assert,
  partialDeepStrictEqual as assertObjectMatch,
  rejects as assertRejects,
  strictEqual as assertStrictEquals,
  throws as assertThrows,
} from "node:assert/strict";
