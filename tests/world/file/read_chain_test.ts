import { DatabaseSync } from "node:sqlite";
import { assertEquals } from "../../support/assert.ts";
import { readChain } from "../../../lib/world/file/read_chain.ts";
import { CREATE_WORLD, INSERT_EVENT } from "../../../lib/world/file/sql.ts";

/** A chain whose world was `a`, then `b`, then `c`; a note about the bytes of `c` came last. */
function createChain(): DatabaseSync {
  const db = new DatabaseSync(":memory:");
  db.exec(CREATE_WORLD);
  const add = (id: number, type: string, payload: unknown) =>
    db.prepare(INSERT_EVENT).run(id, `t${id}`, type, JSON.stringify(payload), `h${id}`, "");
  add(1, "stage_written", {});
  add(2, "stage_written", {});
  add(3, "world_moved", { from: "/home/a", to: "/home/b" });
  add(4, "world_moved", { from: "/home/b", to: "/home/c" });
  add(5, "stage_written", {});
  add(6, "world_moved", { from: "/home/c", to: "/home/d" });
  return db;
}

function partsOf(db: DatabaseSync, name: string, after: number, limit: number): string[] {
  return readChain(db, name, after, limit).parts
    .map((part) => `${part.name}: ${part.events.map(({ id }) => id).join(" ")}`);
}

Deno.test("readChain() gives each event the name that the world had then", () => {
  using db = createChain();
  // The bytes of `c` were moved to `d`; the chain kept its name.
  assertEquals(partsOf(db, "home/c", 0, 100), [
    "home/a: 1 2",
    "home/b: 3",
    "home/c: 4 5 6",
  ]);
  assertEquals(partsOf(db, "home/d", 4, 100), ["home/c: 5", "home/d: 6"]);
});

Deno.test("readChain() reads pages and identifies the chain by its first event", () => {
  using db = createChain();
  const page = readChain(db, "home/c", 1, 2);
  assertEquals([page.chain, page.more], ["h1 home/a", true]);
  assertEquals(partsOf(db, "home/c", 1, 2), ["home/a: 2", "home/b: 3"]);
  assertEquals(readChain(db, "home/c", 6, 2), { chain: "h1 home/a", parts: [], more: false });
});

Deno.test("readChain() gives a world that is being moved the name of its first event", () => {
  using db = createChain();
  db.exec(`DELETE FROM events WHERE event_type = 'world_moved'`);
  db.exec(`UPDATE events SET payload = '{"name":"home/a"}' WHERE id = 1`);
  // The folder has the new name, and the event is not in the chain yet.
  const { chain, parts } = readChain(db, "home/b", 0, 100);
  assertEquals([chain, parts.map(({ name }) => name)], ["h1 home/a", ["home/a"]]);
});
