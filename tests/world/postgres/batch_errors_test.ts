/** What errors of the database mean for a batch. */

import { assertEquals } from "../../support/assert.ts";
import { batchErrorOf, unitsWithout } from "../../../lib/world/postgres/batch_errors.ts";
import { SessionError } from "../../../lib/world/postgres/session.ts";
import { StoreError } from "../../../lib/world/store.ts";

/** Kind of the error with a code, and whether the batch may have happened. */
const CASES: readonly (readonly [code: string, kind: string, isUnknown: boolean])[] = [
  ["lost", "session", true],
  ["late", "session", true],
  ["refused", "session", false],
  ["25006", "session", false],
  ["57P03", "session", false],
  ["40P01", "retry", false],
  ["40001", "retry", false],
  ["55P03", "retry", false],
  ["57014", "retry", false],
  ["53200", "retry", false],
  ["53100", "final", false],
  ["EL001", "guard", false],
  ["EL002", "upload", false],
  ["EL003", "final", false],
  ["23505", "final", false],
  ["42P01", "final", false],
];

for (const [code, kind, isUnknown] of CASES) {
  Deno.test(`batchErrorOf() takes ${code} for ${kind}`, () => {
    const error = batchErrorOf(new SessionError(code, "text"));
    assertEquals([error.kind, error.isUnknown], [kind, isUnknown]);
  });
}

Deno.test("toStoreError() says what the caller can do", () => {
  const codeOf = (code: string) => {
    const found = batchErrorOf(new SessionError(code, "text")).toStoreError("home/a");
    return found instanceof StoreError ? found.code : found;
  };
  assertEquals(codeOf("53100"), "full");
  assertEquals(codeOf("EL003"), "claimed");
  assertEquals(codeOf("42P01"), "damaged");
});

Deno.test("toStoreError() returns an error that is not of the database as it is", () => {
  const cause = new StoreError("gone", "no longer kept", "home/a");
  assertEquals(batchErrorOf(cause).toStoreError("home/b"), cause);
});

Deno.test("unitsWithout() leaves out the units of a damaged world", () => {
  const units = [{ names: ["home/a"] }, { names: ["home/b", "home/c"] }];
  const damaged = (name?: string) => unitsWithout(new StoreError("damaged", "text", name), units);
  assertEquals([...damaged("home/c")], [units[0]]);
  assertEquals([...damaged("home/x")], [], "the next try would fail, too");
  assertEquals([...damaged()], []);
  assertEquals([...unitsWithout(new StoreError("full", "text", "home/a"), units)], []);
});
