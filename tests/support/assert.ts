/**
 * The assertions of all tests: the functions of `node:assert/strict` under the names of Deno's
 * standard library. The arguments are those of `node:assert/strict`; in particular, the second
 * argument of `assertThrows` and `assertRejects` is a class, a pattern, an object or a predicate. A
 * third argument is a note about the case, and checks nothing: `errorWith()` checks a message.
 */

import { ok } from "node:assert/strict";

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

/**
 * The predicate of `assertThrows` and `assertRejects` for an error of a class with a text.
 *
 * @param type class of the error
 * @param text what its message contains
 */
export function errorWith(
  type: abstract new (...parts: never[]) => Error,
  text: string,
): (error: unknown) => true {
  return (error) => {
    ok(error instanceof type, `${error} is not a ${type.name}`);
    ok(error.message.includes(text), `"${error.message}" does not contain "${text}"`);
    return true;
  };
}
