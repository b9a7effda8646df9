import { assertEquals } from "../../support/assert.ts";
import { toIndexEntry } from "../../../lib/world/store/index_entry.ts";

Deno.test("toIndexEntry() tells whether both names of a move are restricted", () => {
  const isRestricted = (name: string) => name.startsWith("boot/");
  const flagsOf = (name: string, type: string, payload: string) => {
    const events = [{ id: 1, timestamp: "t", type, payload }];
    const { restricted, alsoRestricted } = toIndexEntry(name, events, isRestricted);
    return [restricted, alsoRestricted];
  };
  const move = '{"from":"/home/a","to":"/boot/b"}';
  assertEquals(flagsOf("home/a", "world_moved", move), [false, true]);
  assertEquals(flagsOf("boot/b", "world_moved", move), [true, false]);
  assertEquals(flagsOf("home/a", "stage_written", move), [false, undefined]);
  for (const payload of ["null", "7", "not json"]) {
    assertEquals(flagsOf("home/a", "world_moved", payload), [false, undefined]);
  }
});
