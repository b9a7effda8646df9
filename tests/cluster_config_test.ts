import { assert, assertEquals, assertThrows } from "./support/assert.ts";
import { explainNodeSettings } from "../lib/cluster_config.ts";
import { ConfigError, readConfig } from "../lib/config.ts";

const read = (env: Readonly<Record<string, string>>) => readConfig((name) => env[name]);
const SECRETS = { key: "k", token: "t", approveToken: "a" };

Deno.test("readClusterConfig() has defaults for everything but the address and the name", () => {
  const { store, node, reads, staleMs, feed, patienceMs } = read({});
  assertEquals([store, node], [undefined, undefined]);
  assertEquals([reads, staleMs, feed, patienceMs], ["memory", 0, "notify", 10_000]);
});

Deno.test("readClusterConfig() reads each setting", () => {
  const found = read({
    ELASTIK_STORE: "postgres://u@h/d",
    ELASTIK_NODE: "a",
    ELASTIK_READS: "linearizable",
    ELASTIK_STALE: "60",
    ELASTIK_FEED: "poll",
    ELASTIK_PATIENCE: "0",
  });
  assertEquals([found.store, found.node], ["postgres://u@h/d", "a"]);
  assertEquals([found.reads, found.staleMs, found.feed], ["linearizable", 60_000, "poll"]);
  assertEquals(found.patienceMs, 1_000, "a change waits at least a second");
});

Deno.test("readClusterConfig() refuses a value that has no meaning", () => {
  for (
    const [name, value] of [
      ["ELASTIK_READS", "fast"],
      ["ELASTIK_FEED", "push"],
      ["ELASTIK_STALE", "-1"],
      ["ELASTIK_STALE", "3601"],
      ["ELASTIK_PATIENCE", "1.5"],
    ] as const
  ) {
    assertThrows(() => read({ [name]: value }), ConfigError);
  }
  assertEquals(read({ ELASTIK_STALE: "3600" }).staleMs, 3_600_000);
});

Deno.test("explainNodeSettings() names what is missing, and never a value", () => {
  const cases = [
    [{ ...SECRETS, node: "a" }, undefined],
    [{ node: "a", token: "t", approveToken: "a" }, "ELASTIK_KEY is not set"],
    [{ node: "a", key: "k", approveToken: "a" }, "ELASTIK_TOKEN is not set"],
    [{ node: "a", key: "k", token: "t" }, "ELASTIK_APPROVE_TOKEN is not set"],
    [{ node: "a", key: "k" }, "ELASTIK_TOKEN and ELASTIK_APPROVE_TOKEN are not set"],
    [{ ...SECRETS, node: undefined }, "ELASTIK_NODE is not set"],
  ] as const;
  for (const [settings, text] of cases) {
    const fault = explainNodeSettings(settings);
    if (text === undefined) assertEquals(fault, undefined);
    else assert(fault?.includes(text), fault);
  }
});

Deno.test("explainNodeSettings() allows plain names of at most 64 characters", () => {
  for (const node of ["a", "node-1.example_x", "n".repeat(64)]) {
    assertEquals(explainNodeSettings({ ...SECRETS, node }), undefined);
  }
  for (const node of ["", ".", "..", ".a", "a/b", "a b", "n".repeat(65), "é"]) {
    assert(explainNodeSettings({ ...SECRETS, node })?.startsWith("Cannot use ELASTIK_NODE"), node);
  }
});
