import { assertEquals } from "../../support/assert.ts";
import { CELL_LIMITS } from "../../../lib/cell_limits.ts";
import type { CellHealth } from "../../../lib/plugin/cell/cell.ts";
import { describeGrants, describePlugin } from "../../../lib/plugin/host/describe_plugin.ts";
import { PluginLimitCounts } from "../../../lib/plugin/cell/plugin_limit_counts.ts";
import type { LoadedPlugin } from "../../../lib/plugin/host/loaded_plugin.ts";

const MANIFEST = {
  routes: ["/p"],
  description: "p",
  auth: "T1",
  subject: false,
  config: [],
  grants: {},
  fallback: false,
  cron: [],
  on: [],
  kv: false,
} as const;
const PERMISSIONS = { net: [], read: [], write: [], env: [] };
const HEALTH: CellHealth = {
  state: "waiting",
  pid: 7,
  served: 3,
  requests: 1,
  waiting: 0,
  crashes: 2,
  refused: 0,
  calls: 0,
  queries: { running: 0, waiting: 0 },
  droppedLines: 0,
  limits: { ...new PluginLimitCounts().counts, memory: 1 },
  startedAt: 0,
  reason: "it threw",
};

function loaded(): LoadedPlugin {
  // Only the manifest, the permissions and the health of the cell are read.
  return {
    manifest: MANIFEST,
    permissions: PERMISSIONS,
    cell: { health: () => HEALTH, limits: CELL_LIMITS },
  } as unknown as LoadedPlugin;
}

Deno.test("describePlugin() returns only up and the reason for a plugin that is not running", () => {
  assertEquals(describePlugin(undefined, undefined, true), {
    up: false,
    health: { state: "down" },
  });
  assertEquals(describePlugin(undefined, "no source", true).fault, "no source");
});

Deno.test("describePlugin() withholds pid, reason and fault from callers that are not trusted", () => {
  const { health, fault, ...rest } = describePlugin(loaded(), "bad config", false);
  assertEquals(rest, { up: true, ...MANIFEST, permissions: PERMISSIONS });
  assertEquals(fault, "shown to T3 only");
  assertEquals(health, {
    state: "waiting",
    started_at: "1970-01-01T00:00:00.000Z",
    requests: 1,
    waiting: 0,
    served: 3,
    refused: 0,
    crashes: 2,
    limits: { resident_kib: 524_288, requests: 64, waiting: 256, answer_ms: 30_000 },
    limits_reached: { memory: 1 },
    reason: "shown to T3 only",
  });
  const shown = describePlugin(loaded(), "bad config", true);
  assertEquals(shown.fault, "bad config");
  assertEquals(JSON.stringify(shown.health).includes('"pid":7'), true);
});

Deno.test("describeGrants() names the config worlds that exist, without their content", () => {
  const grants = describeGrants({
    code: "secret",
    manifest: MANIFEST,
    permissions: PERMISSIONS,
    config: { "/etc/p.conf": "token" },
  });
  assertEquals(grants, { ...MANIFEST, permissions: PERMISSIONS, configured: ["/etc/p.conf"] });
});
