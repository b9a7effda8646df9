import { assertEquals } from "../../support/assert.ts";
import { PluginLimitCounts } from "../../../lib/plugin/cell/plugin_limit_counts.ts";

Deno.test("PluginLimitCounts.countEnd() counts the limit that ended a run, and no other end", () => {
  const limits = new PluginLimitCounts();
  for (const kind of ["start", "silence", "memory", "protocol"] as const) limits.countEnd(kind);
  for (const kind of ["stopped", "unfit", "spawn", "crash"] as const) limits.countEnd(kind);
  const { start, heartbeat, memory, messages, ...others } = limits.counts;
  assertEquals([start, heartbeat, memory, messages], [1, 1, 1, 1]);
  assertEquals(Object.values(others).every((count) => count === 0), true);
});

Deno.test("PluginLimitCounts.count() counts each limit on its own", () => {
  const limits = new PluginLimitCounts();
  limits.count("answer");
  limits.count("answer");
  limits.count("depth");
  const { answer, depth, query } = limits.counts;
  assertEquals([answer, depth, query], [2, 1, 0]);
});
