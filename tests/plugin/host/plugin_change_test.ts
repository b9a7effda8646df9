import { assertEquals } from "../../support/assert.ts";
import type { Caller } from "../../../lib/auth/caller.ts";
import { toPluginChange } from "../../../lib/plugin/host/plugin_change.ts";
import type { IndexedEvent } from "../../../lib/world/changes.ts";

const TIME = "2026-01-02T03:04:05.678Z";

function event(name: string, type: string, payload: unknown, also?: string): IndexedEvent {
  const base = { cursor: "c", name, id: 1, timestamp: TIME, type, payload };
  return also === undefined ? base : { ...base, also };
}

function watching(on: readonly string[], grants: Caller["grants"] = { "/home/": "r" }) {
  const caller: Caller = { tier: "T1", by: "plugin:p", authenticated: true, grants };
  return { plugin: "p", on, caller };
}

Deno.test("toPluginChange() returns what the plugin gets", () => {
  const payload = { op: "put", by: "T2", version_after: 3, body_sha256_after: "aa" };
  assertEquals(
    toPluginChange(watching(["/home/in/"]), event("home/in/x", "stage_written", payload)),
    {
      id: "c",
      path: "/home/in/x",
      kind: "update",
      version: 3,
      at: TIME,
      by: "T2",
      event: "stage_written",
    },
  );
  const deleted = event("home/in/x", "world_deleted", { by: "T3", version: 3, trash: "t" });
  const found = toPluginChange(watching(["/home/in/x"]), deleted);
  assertEquals([found?.kind, found?.version], ["delete", 3]);
});

Deno.test("toPluginChange() leaves out events that are not changes, own ones, and what is not watched", () => {
  const grants = { "/home/": "r", "/var/lib/": "r", "/lib/": "r" } as const;
  const rows: readonly [on: string, name: string, type: string, by: string][] = [
    ["/lib/", "lib/x", "plugin_ended", "machine"],
    ["/lib/", "lib/x", "state_transition", "T3"],
    ["/home/", "home/x", "properties_changed", "T3"],
    ["/home/", "home/x", "stage_written", "plugin:p"],
    ["/home/in/", "home/in", "stage_written", "T3"],
    ["/home/in/", "home/inbox/x", "stage_written", "T3"],
    ["/home/in", "home/in/x", "stage_written", "T3"],
    ["/var/lib/", "var/lib/p/kv/x", "stage_written", "T3"],
    ["/var/lib/", "var/lib/p/on.json", "stage_written", "machine"],
    ["/var/lib/", "var/lib/q/on.json", "stage_written", "machine"],
    ["/etc/", "etc/x", "stage_written", "T3"],
  ];
  for (const [on, name, type, by] of rows) {
    const found = toPluginChange(watching([on], grants), event(name, type, { by }));
    assertEquals(found, undefined, `${on} ${name} ${type} ${by}`);
  }
  const other = event("var/lib/q/kv/x", "stage_written", { by: "plugin:q" });
  assertEquals(toPluginChange(watching(["/var/lib/"], grants), other)?.path, "/var/lib/q/kv/x");
});

Deno.test("toPluginChange() hides names that the grants do not cover", () => {
  const on = ["/home/in/"];
  const grants = { "/home/in/": "r" } as const;
  const into = {
    op: "move",
    by: "cap:/home/secret#k",
    from: "/home/secret/x",
    to: "/home/in/x",
    version_after: 5,
  };
  const moved = toPluginChange(
    watching(on, grants),
    event("home/in/x", "world_moved", into, "home/secret/x"),
  );
  assertEquals([moved?.kind, moved?.path, moved?.from, moved?.by], [
    "update",
    "/home/in/x",
    undefined,
    "cap:***#k",
  ]);
  const outOf = {
    op: "move",
    by: "T3",
    from: "/home/in/x",
    to: "/home/secret/x",
    version_after: 5,
  };
  const left = toPluginChange(
    watching(on, grants),
    event("home/secret/x", "world_moved", outOf, "home/in/x"),
  );
  assertEquals([left?.kind, left?.path, left?.version], ["delete", "/home/in/x", 4]);
  assertEquals(JSON.stringify([moved, left]).includes("secret"), false);
  // The new name can have had higher versions.
  const recorded = event(
    "home/secret/x",
    "world_moved",
    { ...outOf, from_version: 2 },
    "home/in/x",
  );
  assertEquals(toPluginChange(watching(on, grants), recorded)?.version, 2);
  const inside = { ...into, by: "T3", from: "/home/in/y" };
  const renamed = toPluginChange(
    watching(on, grants),
    event("home/in/x", "world_moved", inside, "home/in/y"),
  );
  assertEquals([renamed?.path, renamed?.from], ["/home/in/x", "/home/in/y"]);
});
