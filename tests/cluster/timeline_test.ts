/** The life of names from chains, as a server writes them. */

import { assertEquals } from "../support/assert.ts";
import { type LogEvent, toTimelines } from "./timeline.ts";

/** Events with ids in order. */
function events(...list: [type: string, payload: LogEvent["payload"]][]): LogEvent[] {
  return list.map(([type, payload], i) => ({ id: i + 1, type, payload }));
}

function written(
  version: number,
  more: Record<string, unknown> = {},
): [string, LogEvent["payload"]] {
  const payload = { op: "put", version_after: version, body_sha256_after: `s${version}`, ...more };
  return ["stage_written", payload];
}

const MOVE = { op: "move", from: "/home/a", to: "/home/b", body_sha256_after: "s" };

Deno.test("toTimelines() divides a chain among the names that its world had", () => {
  const chain = {
    world: "home/b",
    events: events(
      written(1, { name: "home/a" }),
      ["stage_appended", {
        op: "append",
        version_after: 2,
        append_sha256: "p",
        body_sha256_after: "s2",
      }],
      ["properties_changed", {}],
      ["world_moved", { ...MOVE, version_after: 3 }],
      written(4, { op: "patch" }),
    ),
    texts: new Map([[2, "two"]]),
    isRestored: false,
  };
  assertEquals(
    toTimelines([chain]),
    new Map([
      ["home/a", [
        { chain: 0, kind: "put", version: 1, sha256: "s1" },
        { chain: 0, kind: "append", version: 2, piece: "p", sha256: "s2", text: "two" },
        { chain: 0, kind: "delete", version: 2, movedTo: "home/b" },
      ]],
      ["home/b", [
        {
          chain: 0,
          kind: "move",
          version: 3,
          source: { world: "home/a", version: 2 },
          sha256: "s",
        },
        { chain: 0, kind: "prepend", version: 4, sha256: "s4" },
      ]],
    ]),
  );
});

Deno.test("toTimelines() joins the worlds that had one name, and stops at a deletion that was undone", () => {
  const deleted = {
    world: "home/restored",
    events: events(
      written(1, { name: "home/a" }),
      ["world_deleted", { version: 1, trash: "t" }],
      ["world_moved", { ...MOVE, to: "/home/restored", version_after: 2 }],
      ["world_restored", { op: "restore", version_after: 3 }],
    ),
    texts: new Map<number, string>(),
    isRestored: true,
  };
  const live = {
    world: "home/a",
    events: events(written(2, { name: "home/a" })),
    texts: new Map<number, string>(),
    isRestored: false,
  };
  assertEquals(
    toTimelines([live, deleted]),
    new Map([["home/a", [
      { chain: 1, kind: "put", version: 1, sha256: "s1" },
      { chain: 1, kind: "delete", version: 1, trash: "t" },
      { chain: 0, kind: "put", version: 2, sha256: "s2" },
    ]]]),
  );
});

Deno.test("toTimelines() reads a move that replaced a world", () => {
  const source = {
    world: "home/restored",
    events: events(
      written(7, { name: "home/a" }),
      ["world_moved", { from: "/home/a", to: "/home/b", version: 7 }],
      ["world_deleted", { version: 7, trash: "t" }],
    ),
    texts: new Map<number, string>(),
    isRestored: true,
  };
  const target = {
    world: "home/b",
    events: events(
      written(1, { name: "home/b" }),
      written(8, { moved_from: "/home/a", from_version: 7 }),
      written(9, { from_version: 1 }),
    ),
    texts: new Map<number, string>(),
    isRestored: false,
  };
  assertEquals(
    toTimelines([source, target]),
    new Map([
      ["home/a", [
        { chain: 0, kind: "put", version: 7, sha256: "s7" },
        { chain: 0, kind: "delete", version: 7, trash: "t", movedTo: "home/b" },
      ]],
      ["home/b", [
        { chain: 1, kind: "put", version: 1, sha256: "s1" },
        {
          chain: 1,
          kind: "move",
          version: 8,
          source: { world: "home/a", version: 7 },
          sha256: "s8",
        },
        { chain: 1, kind: "other", version: 9, sha256: "s9" },
      ]],
    ]),
  );
});
