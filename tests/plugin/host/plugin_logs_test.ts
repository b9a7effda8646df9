import { assert, assertEquals } from "../../support/assert.ts";
import { PluginLogs } from "../../../lib/plugin/host/plugin_logs.ts";
import {
  MAX_PLUGIN_LOG_BYTES,
  MAX_PLUGIN_LOG_LINES,
  MAX_PLUGIN_LOGS,
} from "../../../lib/log_limits.ts";
import type { Store } from "../../../lib/world/store.ts";
import { withApp } from "../../support/app.ts";

const SOURCE = { name: "lib/p", version: 1, writer: "T2" };

async function withLogs(
  test: (logs: PluginLogs, store: Store) => Promise<void> | void,
): Promise<void> {
  await withApp({}, async ({ store }) => {
    await test(new PluginLogs(store, () => 1_800_000_000_000), store);
  });
}

function textsOf(logs: PluginLogs, writer?: string, name = "lib/p"): string[] {
  return logs.read(name, writer).map(({ text }) => text);
}

Deno.test("PluginLogs.read() returns the lines with time, level and version, in order", async () => {
  await withLogs((logs) => {
    logs.add(SOURCE, "log", "one");
    logs.add({ ...SOURCE, version: 2 }, "error", "two\nforged");
    const [first, second, ...others] = logs.read("lib/p", undefined);
    assertEquals(others, []);
    const time = "2027-01-15T08:00:00.000Z";
    assertEquals({ ...first, id: "" }, { id: "", time, level: "log", text: "one", version: 1 });
    assertEquals([second?.level, second?.text, second?.version], ["error", "two\\nforged", 2]);
    assertEquals(logs.read("lib/p", undefined, first?.id).map(({ text }) => text), [
      "two\\nforged",
    ]);
    assertEquals(logs.read("lib/p", undefined, second?.id), []);
    assertEquals(logs.read("lib/p", undefined, "earlier-1").length, 2);
    assertEquals(logs.read("lib/other", undefined), []);
  });
});

Deno.test("PluginLogs keeps at most MAX_PLUGIN_LOG_LINES lines of a plugin", async () => {
  await withLogs((logs) => {
    for (let i = 0; i < MAX_PLUGIN_LOG_LINES; i++) logs.add(SOURCE, "log", `line ${i}`);
    assertEquals([logs.count("lib/p"), textsOf(logs)[0]], [MAX_PLUGIN_LOG_LINES, "line 0"]);
    logs.add(SOURCE, "log", "one more");
    assertEquals([logs.count("lib/p"), textsOf(logs)[0]], [MAX_PLUGIN_LOG_LINES, "line 1"]);
    assertEquals(textsOf(logs).at(-1), "one more");
  });
});

Deno.test("PluginLogs keeps at most MAX_PLUGIN_LOG_BYTES bytes of a plugin", async () => {
  await withLogs((logs) => {
    const half = "x".repeat(MAX_PLUGIN_LOG_BYTES / 4 - 100);
    logs.add(SOURCE, "log", half);
    logs.add(SOURCE, "log", half);
    assertEquals(logs.count("lib/p"), 2);
    logs.add(SOURCE, "log", "");
    assertEquals(textsOf(logs), [half, ""]);
  });
});

Deno.test("PluginLogs keeps the logs of the MAX_PLUGIN_LOGS plugins that wrote last", async () => {
  await withLogs((logs) => {
    for (let i = 0; i < MAX_PLUGIN_LOGS; i++) {
      logs.add({ ...SOURCE, name: `lib/p${i}` }, "log", "x");
    }
    logs.add({ ...SOURCE, name: "lib/p0" }, "log", "y");
    assertEquals([logs.count("lib/p0"), logs.count("lib/p1")], [2, 1]);
    logs.add({ ...SOURCE, name: "lib/more" }, "log", "z");
    assertEquals([logs.count("lib/p0"), logs.count("lib/p1"), logs.count("lib/more")], [2, 0, 1]);
  });
});

Deno.test("PluginLogs gives a writer the lines of its own sources only", async () => {
  await withLogs((logs) => {
    const seen: string[] = [];
    const all: string[] = [];
    const unwatch = logs.watch("lib/p", "T2", ({ text }) => seen.push(text));
    const unwatchAll = logs.watch("lib/p", undefined, ({ text }) => all.push(text));
    logs.add({ ...SOURCE, writer: "T3" }, "log", "of T3");
    logs.add({ ...SOURCE, writer: undefined }, "log", "of an unknown writer");
    logs.add(SOURCE, "log", "of T2");
    assertEquals([textsOf(logs, "T2"), seen], [["of T2"], ["of T2"]]);
    assertEquals([textsOf(logs), all], [["of T3", "of an unknown writer", "of T2"], textsOf(logs)]);
    unwatch();
    unwatchAll();
    logs.add(SOURCE, "log", "later");
    assertEquals([seen.length, all.length], [1, 3]);
  });
});

Deno.test("PluginLogs.addCellEvent() adds ends and timeouts, and no idle cell", async () => {
  await withLogs((logs) => {
    for (const type of ["started", "swapped", "idle", "uncaught"] as const) {
      logs.addCellEvent(SOURCE, { type, detail: "x" });
    }
    logs.addCellEvent(SOURCE, { type: "ended", detail: "it crashed", kind: "crash" });
    assertEquals(textsOf(logs), ["ended: it crashed"]);
  });
});

Deno.test("PluginLogs.findWriter() returns who wrote the source last, not who approved it", async () => {
  await withLogs(async (logs, store) => {
    assertEquals(await logs.findWriter("lib/p"), undefined);
    const body = new TextEncoder().encode("x");
    const write = (by: string) =>
      store.put({ name: "lib/p", body, ext: "ts", meta: [], by, state: "pending" });
    const { version } = await write("user:ada");
    await store.transition({ name: "lib/p", by: "T3", to: "active" });
    assertEquals(await logs.findWriter("lib/p"), "user:ada");
    const described = await logs.describeSource({ name: "lib/p", version });
    assertEquals(described, { name: "lib/p", version, writer: "user:ada" });
    await write("T2");
    assertEquals(await logs.findWriter("lib/p"), "T2");
    // The version that was read is not the one that T2 wrote.
    assertEquals((await logs.describeSource({ name: "lib/p", version })).writer, undefined);
    assert((await logs.describeSource({ name: "lib/p", version: version + 5 })).writer === "T2");
  });
});
