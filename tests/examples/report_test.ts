import { assert, assertEquals, assertMatch } from "../support/assert.ts";
import { eventually } from "../plugin/plugin_test_server.ts";
import { testPlugin } from "../../lib/testing/test_plugin.ts";
import report, { cron } from "../../examples/report.ts";

const SOURCE = new URL("../../examples/report.ts", import.meta.url);

Deno.test("report lists the changes of a day by author and by world", async () => {
  assert((await Deno.readTextFile(SOURCE)).split("\n").length <= 80, "an example has 80 lines");
  await using plugin = await testPlugin(SOURCE, {
    name: "report",
    worlds: { "/home/a": "one", "/home/b": "one", "/etc/outside": "x" },
  });
  await plugin.write("/home/a", "two");
  // The index of the collection, which the report reads, follows the writes a moment later.
  await eventually(async () => {
    const log = await plugin.fetch("/proc/log/home/", { as: "T3" });
    const events: unknown[] = await log.json();
    return events.length === 3 || undefined;
  }, "the index has three changes");
  const refused = await plugin.fetch("/report", { method: "POST" });
  assertEquals(refused.status, 401, await refused.text());
  const made = await plugin.fetch("/report", { method: "POST", as: "T2" });
  assertEquals(made.status, 201);
  const { report: path } = await made.json();
  assertMatch(path, /^\/home\/reports\/\d{4}-\d\d-\d\d\.md$/);
  const text = await plugin.read(path) ?? "";
  assertMatch(text, /^# \d{4}-\d\d-\d\d\n\n3 changes of 2 worlds\n/);
  assertMatch(text, /## Authors\n\n- `T3`: 3\n/);
  assertMatch(text, /## Worlds\n\n- `home\/a`: 2\n- `home\/b`: 1\n$/);
  // A second report does not count the first one.
  await (await plugin.fetch("/report", { method: "POST", as: "T2" })).body?.cancel();
  assertEquals(await plugin.read(path), text);
  const state = await (await plugin.fetch("/lib/report/state", { as: "T3" })).json();
  assertMatch(JSON.stringify(state.health.cron), /T03:00:00/, "the next run");
});

Deno.test("report runs at night for the day that ended", async () => {
  assertEquals(cron, ["0 3 * * *"]);
  const sent: string[] = [];
  const machine = {
    fetch(path: string, init: RequestInit = {}) {
      sent.push(`${init.method ?? "GET"} ${path}`);
      return Promise.resolve(Response.json([], { status: 200 }));
    },
  };
  await report.scheduled({ scheduledTime: Date.parse("2026-11-28T03:00:00Z") }, { machine });
  assertEquals(sent, [
    "GET /proc/log/home/?since=2026-11-27T03%3A00%3A00.000Z&limit=1000",
    "PUT /home/reports/2026-11-28.md",
  ]);
});
