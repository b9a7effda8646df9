import { deepStrictEqual as equal } from "node:assert/strict";
import { createBareInit } from "../../../lib/plugin/wire/cell_init.ts";

Deno.test("createBareInit() grants nothing: no host, no folder, no variable, no world, no line", () => {
  const { permissions, folders, config, vars, maxLogLinesPerSecond } = createBareInit(
    "probe",
    "x",
    "1",
  );
  equal(permissions, { net: [], read: [], write: [] });
  equal([folders, config, vars, maxLogLinesPerSecond], [[], {}, {}, 0]);
});
