import { assertEquals } from "../../support/assert.ts";
import { UnreadWorlds } from "../../../lib/world/store/unread_worlds.ts";
import { StoreError } from "../../../lib/world/store.ts";
import { eventually } from "../../plugin/plugin_test_server.ts";

Deno.test("UnreadWorlds keeps worlds whose error can end, and tries them until they are read", async () => {
  const tried: string[] = [];
  const worlds = new UnreadWorlds((name, keys) => {
    tried.push(`${name} ${keys}`);
    return Promise.resolve(true);
  });
  assertEquals(worlds.add("home/a", new StoreError("damaged", "no database")), false);
  assertEquals(worlds.add("home/a", new Error("another")), false);
  assertEquals(worlds.findBelow(""), undefined);
  assertEquals(worlds.add("home/a/b", new StoreError("in-use", "locked"), ["k"]), true);
  assertEquals(worlds.add("home/a/b", new StoreError("in-use", "locked"), ["l"]), true);
  for (const name of ["home/a/b", "home/a", "home", ""]) {
    assertEquals(worlds.findBelow(name), "home/a/b");
  }
  assertEquals(worlds.findBelow("home/a/bc"), undefined);
  const isRead = () => Promise.resolve(worlds.findBelow("") === undefined || undefined);
  await eventually(isRead, "the world is read");
  assertEquals(tried, ["home/a/b k,l"]);
  worlds.stop();
});
