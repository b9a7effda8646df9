import { assertEquals } from "../../support/assert.ts";
import { type LogRow, matchesBy, planUndo } from "../../../lib/cli/client/undo_plan.ts";

Deno.test("matchesBy() takes a value of by, and the short form of a capability", () => {
  const rows: readonly (readonly [string, string, boolean])[] = [
    ["T2", "T2", true],
    ["T2", "T2:local", false],
    ["cap:/home/t#a", "cap:/home/t#a", true],
    ["cap:/home/t#a", "cap:/home/t#a/b", false],
    ["cap:/home/t#a/*", "cap:/home/t#a/b", true],
    ["cap:/home/t#a/*", "cap:/home/t#ab", false],
    ["#b", "cap:/home/t#a/b", true],
    ["#b", "cap:/home/t#b", true],
    ["#b", "cap:/home/t#ab", false],
    ["#b", "cap:/home/t#b/c", false],
    ["#b/*", "cap:/home/t#a/b/c", true],
    ["#b/*", "cap:/home/t#b", true],
    ["#b/*", "cap:/home/t#bc", false],
    ["#T2", "T2", false],
  ];
  for (const [wanted, by, expected] of rows) {
    assertEquals(matchesBy(wanted, by), expected, `${wanted} and ${by}`);
  }
});

const row = (name: string, id: number, type: string, by: string, more = {}): LogRow => ({
  name,
  id,
  type,
  payload: { by, ...more },
});
const wrote = (name: string, id: number, by: string, version: number) =>
  row(name, id, "stage_written", by, { version_after: version });
const plan = (...rows: LogRow[]) => planUndo(rows, (by) => by === "k");

Deno.test("planUndo() sets a changed world to its earlier version, and deletes a created one", () => {
  assertEquals(plan(wrote("home/a", 2, "k", 2), wrote("home/a", 3, "k", 3)), [
    { name: "home/a", before: "home/a", version: 3, firstEvent: 2 },
  ]);
  assertEquals(plan(wrote("home/a", 1, "k", 5)), [{ name: "home/a", version: 5 }]);
  assertEquals(plan(wrote("home/a", 2, "other", 2)), []);
});

Deno.test("planUndo() skips a world that another caller changed since", () => {
  assertEquals(plan(wrote("home/a", 2, "k", 2), wrote("home/a", 3, "ada", 3)), [
    { name: "home/a", skipped: "ada changed it since" },
  ]);
  assertEquals(plan(wrote("home/a", 2, "ada", 2), wrote("home/a", 3, "k", 3)), [
    { name: "home/a", before: "home/a", version: 3, firstEvent: 3 },
  ]);
  // A note does not change the world.
  const note = row("home/a", 3, "plugin_called", "ada");
  assertEquals(plan(wrote("home/a", 2, "k", 2), note).map(({ skipped }) => skipped), [undefined]);
});

Deno.test("planUndo() restores, and moves back under the name before", () => {
  const deleted = row("home/a", 3, "world_deleted", "k", { trash: "id1" });
  assertEquals(plan(deleted), [{ name: "home/a", before: "home/a", trash: "id1" }]);
  assertEquals(
    plan(wrote("home/a", 2, "k", 2), deleted),
    [
      { name: "home/a", before: "home/a", trash: "id1", firstEvent: 2, version: undefined },
    ].map(({ version: _version, ...rest }) => rest),
  );
  const moved = row("home/b", 2, "world_moved", "k", {
    from: "/home/a",
    to: "/home/b",
    version_after: 2,
  });
  assertEquals(plan(moved), [{ name: "home/b", before: "home/a", version: 2 }]);
  const gone = row("home/b", 3, "world_deleted", "k", { trash: "id2" });
  assertEquals(plan(moved, gone), [{ name: "home/b", before: "home/a", trash: "id2" }]);
});

Deno.test("planUndo() deletes a world that was restored, and first one that took a name", () => {
  const deleted = row("home/a", 3, "world_deleted", "k", { trash: "id1" });
  assertEquals(plan(deleted, wrote("home/a", 1, "k", 3)), [
    { name: "home/a", version: 3 },
    { name: "home/a", before: "home/a", trash: "id1" },
  ]);
  const other = row("home/a", 3, "world_deleted", "ada", { trash: "id1" });
  const restored = row("home/a", 4, "world_restored", "k", { trash: "id1", version_after: 3 });
  assertEquals(plan(other, restored), [{ name: "home/a", version: 3 }]);
  const back = row("home/a", 4, "world_restored", "ada", { trash: "id1", version_after: 3 });
  assertEquals(plan(deleted, back), [{ name: "home/a", skipped: "ada changed it since" }]);
  const created = wrote("home/c", 1, "k", 1);
  const gone = row("home/c", 2, "world_deleted", "k", { trash: "id3" });
  assertEquals(plan(created, gone), [{ name: "home/c", isGone: true }]);
});

Deno.test("planUndo() skips a world whose name before cannot be read", () => {
  const moved = row("home/b", 2, "world_moved", "k", {
    from: "***",
    to: "/home/b",
    version_after: 2,
  });
  assertEquals(plan(moved), [
    { name: "home/b", skipped: "the name that it had cannot be read" },
  ]);
});
