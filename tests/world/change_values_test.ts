import { assertEquals } from "../support/assert.ts";
import { collectionsOf, parseJson, pathKey, readPayload } from "../../lib/world/change_values.ts";

const EVENT = { id: 1, timestamp: "t", type: "stage_written" };

Deno.test("collectionsOf() lists what is above a name; pathKey() keeps worlds of T3 apart", () => {
  assertEquals(collectionsOf("home/a/b"), ["", "home", "home/a"]);
  assertEquals([pathKey("home", false), pathKey("home", true)], ["home", "!home"]);
});

Deno.test("readPayload() reads the caller, both names of a move and the entry of the trash", () => {
  const read = (type: string, payload: unknown) =>
    readPayload({ ...EVENT, type, payload: JSON.stringify(payload) });
  assertEquals(read("stage_written", { by: "T2", from: "/a", trash: "t" }), { by: "T2" });
  assertEquals(read("world_moved", { by: "T3", from: "/home/a", to: "/home/b" }), {
    by: "T3",
    from: "home/a",
    to: "home/b",
  });
  assertEquals(read("world_deleted", { by: "T3", trash: "t" }), { by: "T3", trash: "t" });
  for (const payload of [null, 7, { by: 7, from: 7 }]) {
    assertEquals(read("world_moved", payload), { by: "" });
  }
  assertEquals(readPayload({ ...EVENT, payload: "not json" }), { by: "" });
});

Deno.test("parseJson() returns a text that is not JSON", () => {
  assertEquals([parseJson("[1]"), parseJson("x")], [[1], "x"]);
});
