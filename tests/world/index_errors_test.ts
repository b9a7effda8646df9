import { assert, assertEquals } from "../support/assert.ts";
import * as errors from "../../lib/world/index_errors.ts";
import { StoreError } from "../../lib/world/store.ts";

Deno.test("isIndexLost() is true for the error of a lost index only", () => {
  assert(errors.isIndexLost(errors.indexLost()));
  for (const other of [errors.indexClosed(), new Error("lost"), undefined]) {
    assertEquals(errors.isIndexLost(other), false);
  }
});

Deno.test("the errors of queries that can succeed later have the code busy", () => {
  const found = [errors.indexNotReady(), errors.indexNotWritten(), errors.eventsNotRead("home/a")];
  for (const error of found) assert(error instanceof StoreError && error.code === "busy");
});
