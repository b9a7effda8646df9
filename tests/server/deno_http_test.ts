import { assert, assertStrictEquals } from "../support/assert.ts";
import { findServeConnection } from "../../lib/server/deno_http.ts";

Deno.test("findServeConnection() finds the function of this version of Deno", () => {
  assert(findServeConnection() !== undefined);
});

Deno.test("findServeConnection() returns undefined if the function is missing or has another form", () => {
  const internal = Symbol("internal");
  assertStrictEquals(findServeConnection({}), undefined);
  assertStrictEquals(findServeConnection({ internal: "text" }), undefined);
  assertStrictEquals(findServeConnection({ internal }), undefined);
  assertStrictEquals(findServeConnection({ internal, [internal]: {} }), undefined);
  const twoParameters = { serveHttpOnConnection: (a: unknown, b: unknown) => [a, b] };
  assertStrictEquals(findServeConnection({ internal, [internal]: twoParameters }), undefined);
});
