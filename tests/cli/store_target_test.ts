import { assertEquals, assertRejects, assertThrows } from "../support/assert.ts";
import { assertNoStore, useStore } from "../../lib/cli/store_target.ts";

Deno.test("assertNoStore() refuses the folder of the settings when the worlds are in a store", () => {
  const store = "postgres://db/elastik";
  assertNoStore({}, "verify", undefined, "export them");
  assertNoStore({ store }, "verify", "copy", "export them");
  assertThrows(() => assertNoStore({ store }, "verify", undefined, "export them"), {
    name: "UsageError",
    message: "Cannot run verify: the worlds are in the store that ELASTIK_STORE names; export them",
  });
});

Deno.test("useStore() refuses a malformed address and a missing key before it opens a session", async () => {
  let uses = 0;
  const use = () => Promise.resolve(++uses);
  await assertRejects(useStore({ store: "mysql://x", key: "k" }, "import", use), {
    name: "UsageError",
  });
  await assertRejects(useStore({ store: "postgres://me@db/elastik" }, "import", use), {
    name: "UsageError",
    message: "Cannot run import: ELASTIK_KEY is not set; it must be the key of the store",
  });
  assertEquals(uses, 0);
});
