import { assertEquals } from "../support/assert.ts";
import { namedWorlds, OTHER_NAMES } from "../../lib/world/named_worlds.ts";

Deno.test("namedWorlds() returns each path that a payload names", () => {
  const rows: [unknown, string[]][] = [
    [{ op: "put", by: "T2" }, []],
    [{ from: "pending", to: "active", version: 1 }, []],
    [{ from: "/home/a", to: "/home/b" }, ["/home/a", "/home/b"]],
    [{ copied_from: "/home/a", from_version: 1, name: "home/b" }, ["/home/a", "/home/b"]],
    [{ from: 1, name: { x: 1 }, moved_from: "/x" }, ["/x"]],
    ["from", []],
    [null, []],
  ];
  for (const [payload, expected] of rows) {
    assertEquals(namedWorlds(JSON.stringify(payload)), expected);
  }
  assertEquals(namedWorlds('{"from":"/home/a"'), []);
  for (const key of OTHER_NAMES) assertEquals(namedWorlds(`{"${key}":"/x"}`), ["/x"]);
});
