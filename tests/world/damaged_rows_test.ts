import { assertEquals } from "../support/assert.ts";
import { DamagedRows } from "../../lib/world/damaged_rows.ts";

Deno.test("DamagedRows names the action, the fault and the world", () => {
  const error = new DamagedRows("read home/x", "its bytes are missing", "home/x");
  assertEquals(
    [error.code, error.message, error.fault, error.world],
    ["damaged", "Cannot read home/x: its bytes are missing", "its bytes are missing", "home/x"],
  );
});
