import { assertEquals } from "../../support/assert.ts";
import { configHashes } from "../../../lib/plugin/host/approval.ts";
import type { LoadedPlugin } from "../../../lib/plugin/host/loaded_plugin.ts";
import { PluginReloads, type ReloadDeps } from "../../../lib/plugin/host/plugin_reloads.ts";
import { Turns } from "../../../lib/world/turns.ts";

const PATH = "/etc/p.conf";

/** A plugin that runs with a config world; the parts that the tests need. */
function loadedWith(text: string, untrusted: readonly string[] = []): LoadedPlugin {
  return {
    name: "lib/p",
    source: { sha256: "s" },
    config: { [PATH]: text },
    permissions: { net: ["b.example"] },
    refused: untrusted.length === 0 ? [] : ["net c.example"],
    untrusted: new Set(untrusted),
    logged: {},
  } as unknown as LoadedPlugin; // a cell, a manifest and a schedule are not used
}

/** Reloads whose sandbox cannot be loaded, and what they have recorded. */
function createReloads(more: Partial<ReloadDeps> = {}) {
  const recorded: unknown[] = [];
  const ended: string[] = [];
  const reloads = new PluginReloads({
    load: () => Promise.reject(new Error("no sandbox")),
    config: {
      origins: { lastChange: () => 0, isChosenByOperator: () => Promise.resolve(false) },
      readConfig: () => Promise.resolve(undefined),
      follow: () => Promise.resolve(),
    },
    known: { assertSame() {} },
    eventLog: {
      write: (name, type, payload) => Promise.resolve(void recorded.push([name, type, payload])),
    },
    logs: { add() {} },
    log() {},
    turns: new Turns(),
    isActive: () => true,
    onEnd: ({ name }, fault) => void ended.push(`${name}: ${fault}`),
    onUnreachable() {},
    ...more,
  });
  return { reloads, recorded, ended };
}

Deno.test("recordStart() records the config worlds that T3 chose since the approval", async () => {
  const { reloads, recorded } = createReloads();
  const approval = configHashes({ config: { [PATH]: "approved" } });
  await reloads.recordStart(loadedWith("approved"), approval);
  assertEquals(recorded, [], "they are those of the approval");
  await reloads.recordStart(loadedWith("by another caller", [PATH]), approval);
  assertEquals(recorded, [], "T3 did not choose them");
  await reloads.recordStart(loadedWith("by T3"), approval);
  assertEquals(recorded, [["lib/p", "plugin_reconfigured", {
    source_sha256: "s",
    permissions: { net: ["b.example"] },
    approved: true,
    ...configHashes({ config: { [PATH]: "by T3" } }),
  }]]);
});

Deno.test("request() lets changes before the reload begins share it, and settled() waits for all", async () => {
  const turns = new Turns();
  const { promise, resolve } = Promise.withResolvers<void>();
  const { reloads, ended } = createReloads({ turns });
  const before = turns.run("lib/p", () => promise);
  const loaded = loadedWith("text");
  reloads.request(loaded);
  const { reload } = loaded;
  reloads.request(loaded);
  assertEquals(loaded.reload, reload);
  let isSettled = false;
  const settled = reloads.settled().then(() => isSettled = true);
  assertEquals([ended, isSettled], [[], false]);
  resolve();
  await Promise.all([before, settled]);
  assertEquals(ended, [
    "lib/p: its new configuration is invalid, the old one is still used: no sandbox",
  ]);
  assertEquals(loaded.reload, undefined);
  await reloads.settled();
});

Deno.test("request() reloads no plugin that has ended until then", async () => {
  const { reloads, ended } = createReloads({ isActive: () => false });
  reloads.request(loadedWith("text"));
  await reloads.settled();
  assertEquals(ended, []);
});
