import { deepStrictEqual as equal } from "node:assert/strict";
import type { CellHealth } from "../../../lib/plugin/cell/cell.ts";
import { vitalsOf } from "../../../lib/plugin/host/plugin_metrics.ts";

const HEALTH: CellHealth = {
  state: "running",
  served: 7,
  requests: 2,
  waiting: 1,
  crashes: 3,
  residentKiB: 1024,
};

Deno.test("vitalsOf() tells each plugin's numbers once, by name, and who is not up", () => {
  const { residentKiB: _unknown, ...unweighed } = HEALTH;
  const cells = new Map([["lib/b", HEALTH], ["lib/a", unweighed]]);
  equal(vitalsOf(["lib/b", "lib/c", "lib/a", "lib/b"], (name) => cells.get(name)), [
    { plugin: "lib/a", up: true, requests: 7, open: 2, waiting: 1, crashes: 3 },
    { plugin: "lib/b", up: true, requests: 7, open: 2, waiting: 1, crashes: 3, residentKiB: 1024 },
    { plugin: "lib/c", up: false, requests: 0, open: 0, waiting: 0, crashes: 0 },
  ]);
});
