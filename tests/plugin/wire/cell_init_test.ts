import { assertEquals } from "../../support/assert.ts";
import { createBareInit } from "../../../lib/plugin/wire/cell_init.ts";

Deno.test("createBareInit() grants no host, folder, variable, config world or console line", () => {
  const { permissions, folders, config, vars, maxLogLinesPerSecond } = createBareInit(
    "probe",
    "x",
    "1",
  );
  assertEquals(permissions, { net: [], read: [], write: [] });
  assertEquals([folders, config, vars, maxLogLinesPerSecond], [[], {}, {}, 0]);
});
