import { assertEquals } from "../support/assert.ts";
import { addLastRuns, describeNodes } from "../../lib/routes/plugin_nodes.ts";
import type { NodeCronRun, NodeEntry, NodePlugin } from "../../lib/world/coordination.ts";

function node(id: string, plugin?: NodePlugin): NodeEntry {
  const plugins = plugin === undefined ? {} : { "lib/p": plugin };
  return { id, url: "", version: "1", readable: true, ageMs: 0, plugins };
}

function run(started_at: string, more: Partial<NodeCronRun> = {}): NodeCronRun {
  return { cron: "* * * * *", started_at, result: "ok", ...more };
}

Deno.test("describeNodes() has each node, and texts of the plugin for a trusted caller only", () => {
  const nodes = [
    node("a", {
      up: true,
      delivers: true,
      cron: [run("1", { result: "failed", reason: "secret" })],
    }),
    node("b", { up: false, fault: "secret" }),
    node("c"),
  ];
  const failed = { cron: "* * * * *", started_at: "1", result: "failed" };
  assertEquals(describeNodes(nodes, "lib/p", false), [
    { node: "a", readable: true, up: true, delivers: true, cron: [failed] },
    { node: "b", readable: true, up: false, fault: "shown to T3 only" },
    { node: "c", readable: true, up: false },
  ]);
  const [a, b] = describeNodes(nodes, "lib/p", true);
  assertEquals([a?.cron, b?.fault], [[{ ...failed, reason: "secret" }], "secret"]);
});

Deno.test("addLastRuns() replaces the last run of each expression by the newest of all nodes", () => {
  const nodes = [
    node("a", { up: true, cron: [run("2026-01-01T00:01:00Z")] }),
    node("b", { up: true, cron: [run("2026-01-01T00:02:00Z", { result: "failed", reason: "x" })] }),
  ];
  const health = {
    state: "running",
    cron: [{ cron: "* * * * *", ok: 1, last: { result: "ok" } }, { cron: "0 0 * * *", ok: 0 }],
  };
  const last = { node: "b", started_at: "2026-01-01T00:02:00Z", result: "failed" };
  assertEquals(addLastRuns(health, nodes, "lib/p", false), {
    state: "running",
    cron: [{ cron: "* * * * *", ok: 1, last }, { cron: "0 0 * * *", ok: 0 }],
  });
  assertEquals(addLastRuns({ state: "down" }, nodes, "lib/p", true), { state: "down" });
});
