import { deepStrictEqual as equal } from "node:assert/strict";
import { bareInit } from "../../../lib/plugin/wire/cell_init.ts";

Deno.test("bareInit() grants nothing: no host, no folder, no variable, no world, no line", () => {
  const { permissions, folders, config, vars, linesPerSecond } = bareInit("probe", "x", "1");
  equal(permissions, { net: [], read: [], write: [] });
  equal([folders, config, vars, linesPerSecond], [[], {}, {}, 0]);
});
