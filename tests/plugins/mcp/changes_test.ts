import { assertEquals, assertRejects } from "../../support/assert.ts";
import { commonCollection, readChangedWorlds } from "../../../plugins/mcp/changes.ts";
import { FakeServer, problem } from "./fake_server.ts";

const HOME = { name: "home/a b", isCollection: true };

Deno.test("readChangedWorlds() names the worlds that changed, with both names of a move", async () => {
  const server = new FakeServer();
  const event = (name: string, id: number, type = "stage_written", payload = {}) => ({
    cursor: "c",
    name,
    id,
    timestamp: "t",
    type,
    payload,
  });
  server.answer = () =>
    Response.json({
      changes: [
        event("home/x", 4),
        event("home/y", 2),
        event("home/x", 5),
        event("home/new", 9, "world_moved", { from: "home/old", to: "home/new" }),
      ],
      cursor: "next",
    });
  const found = await readChangedWorlds(server.caller, HOME, "a/b", 7);
  assertEquals([...found.names], ["home/x", "home/y", "home/new", "home/old"]);
  assertEquals([found.cursor, found.isListChanged, found.isIncomplete], ["next", true, false]);
  assertEquals(server.lines, ["GET /proc/changes/home/a%20b/?after=a%2Fb&wait=7&limit=1000"]);
});

Deno.test("readChangedWorlds() reports a changed list for new, moved and deleted worlds", async () => {
  const server = new FakeServer();
  const rows: [change: Record<string, unknown>, isListChanged: boolean][] = [
    [{ name: "home/x", id: 1, type: "stage_written" }, true],
    [{ name: "home/x", id: 1, type: "stage_appended" }, true],
    [{ name: "home/x", id: 2, type: "stage_written" }, false],
    [{ name: "home/x", id: 2, type: "world_deleted" }, true],
    [{ name: "***", id: 2, type: "world_moved", payload: null }, true],
  ];
  for (const [change, isListChanged] of rows) {
    server.answer = () => Response.json({ changes: [change], cursor: "c" });
    const found = await readChangedWorlds(server.caller, HOME, "x");
    assertEquals(found.isListChanged, isListChanged, JSON.stringify(change));
  }
});

Deno.test("readChangedWorlds() continues at the end if the position is lost, and says so", async () => {
  const server = new FakeServer();
  server.answer = ({ path }) =>
    path.includes("after=now")
      ? Response.json({ changes: [], cursor: "end" })
      : problem(410, "Cannot continue at the cursor");
  const found = await readChangedWorlds(server.caller, HOME, "lost");
  assertEquals([found.cursor, found.isIncomplete], ["end", true]);
  server.answer = () => problem(403, "Cannot read");
  await assertRejects(readChangedWorlds(server.caller, HOME, "x"), { status: 403 });
});

Deno.test("commonCollection() is the closest collection of all names", () => {
  const rows: [names: string[], common: string][] = [
    [["home/a/x"], "home/a"],
    [["home/a/x", "home/a/y"], "home/a"],
    [["home/a/x", "home/ab/y"], "home"],
    [["home/a/b/x", "home/a/y"], "home/a"],
    [["home/a/y", "home/a/b/x"], "home/a"],
    [["home/x", "etc/y"], ""],
    [[], ""],
  ];
  for (const [names, name] of rows) {
    assertEquals(commonCollection(names), { name, isCollection: true }, names.join());
  }
});
