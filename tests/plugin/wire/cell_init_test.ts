import { deepStrictEqual as equal } from "node:assert/strict";
import { createBareInit } from "../../../lib/plugin/wire/cell_init.ts";

Deno.test("createBareInit() grants no host, folder, variable, config world or console line", () => {
  const { permissions, folders, config, vars, maxLogLinesPerSecond } = createBareInit(
    "probe",
    "x",
    "1",
  );
  equal(permissions, { net: [], read: [], write: [] });
  equal([folders, config, vars, maxLogLinesPerSecond], [[], {}, {}, 0]);
});
