import { assertEquals } from "../../support/assert.ts";
import { INDEX_RETRY_MS } from "../../../lib/limits.ts";
import { UnreadWorlds } from "../../../lib/world/store/unread_worlds.ts";
import { StoreError } from "../../../lib/world/store.ts";
import { eventually } from "../../plugin/plugin_test_server.ts";

Deno.test("UnreadWorlds keeps worlds whose error can end, and tries them until they are read", async () => {
  const tried: string[] = [];
  const lines: string[] = [];
  const retry = (name: string, keys: readonly string[]) => {
    tried.push(`${name} ${keys}`);
    return Promise.resolve(true);
  };
  const worlds = new UnreadWorlds(retry, (line) => void lines.push(line));
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
  assertEquals(lines, []);
  worlds.stop();
});

Deno.test("UnreadWorlds reports a world once, if it is still locked after INDEX_RETRY_MS", async () => {
  let now = 0;
  let attempts = 0;
  const reported: number[] = [];
  const lines: string[] = [];
  const locked = new StoreError("in-use", "it is locked");
  const retry = (name: string) => {
    attempts += 1;
    if (attempts > 5) return Promise.resolve(true);
    // The clock of the second attempt is one millisecond before the limit.
    now = [0, 1, INDEX_RETRY_MS - 1, INDEX_RETRY_MS][attempts] ?? 2 * INDEX_RETRY_MS;
    worlds.add(name, locked);
    reported.push(lines.length);
    return Promise.resolve(false);
  };
  const worlds = new UnreadWorlds(retry, (line) => void lines.push(line), () => now);
  worlds.add("home/a", locked);
  const isRead = () => Promise.resolve(worlds.findBelow("") === undefined || undefined);
  await eventually(isRead, "the world is read");
  assertEquals(reported, [0, 0, 1, 1, 1]);
  assertEquals(lines, ["cannot read events of /home/a for the index: it is locked"]);
  worlds.stop();
});
