import { assertEquals } from "../support/assert.ts";
import { CommitsWait } from "../../lib/world/commits_wait.ts";
import { StoreError } from "../../lib/world/store.ts";

Deno.test("CommitsWait is the error of a database that cannot be reached, for all that do not know it", () => {
  const error = new CommitsWait("the reason", "home/a");
  assertEquals([error instanceof StoreError, error.code, error.world], [
    true,
    "unreachable",
    "home/a",
  ]);
});
