import { assertEquals } from "../../support/assert.ts";
import { sha256Hex } from "../../../lib/base/hash.ts";
import type { Change, World } from "../../../lib/world/store.ts";
import { StoreState } from "../../../lib/world/store/store_state.ts";

const TIME = "2026-01-01T00:00:00.000Z";

function world(name: string, text: string, layer: World["layer"] = "upper"): World {
  const body = new TextEncoder().encode(text);
  const version = layer === "upper" ? 3 : 0;
  const more = { version, ext: "txt", meta: [], state: "", updatedAt: TIME, layer };
  return { name, body, sha256: sha256Hex(body), ...more };
}

function result(name: string, text: string) {
  const { version, ext, state, updatedAt, sha256, body } = world(name, text);
  return { version, ext, state, updatedAt, sha256, len: body.length, created: true, events: [] };
}

function createState(...lower: World[]) {
  const saved: string[] = [];
  const changes: [Change["kind"], string, number, boolean][] = [];
  const made = new StoreState({
    lower: new Map(lower.map((world) => [world.name, world])),
    cacheBytes: 10_000,
    files: {
      saveCatalog(rows, gone) {
        saved.push(
          ...rows.map(({ name, mtime }) => `${name}@${mtime}`),
          ...gone.map((n) => `-${n}`),
        );
        return Promise.resolve();
      },
    },
    unindexed: new Set<string>(),
    log: () => {},
    onEvents: () => {},
    beforeSave: () => Promise.resolve(),
  });
  made.hub.watch("/", ({ kind, name, version, world }) => {
    changes.push([kind, name, version, world !== undefined]);
  });
  return { made, saved, changes };
}

Deno.test("StoreState.applyChange() updates catalog and cache and notifies watchers", async () => {
  const { made, saved, changes } = createState();
  const settled = { mtime: 5, size: 1 };
  const written = made.applyChange(
    "home/a",
    "T2",
    { ...result("home/a", "x"), fileStamp: settled },
    world("home/a", "x"),
  );
  assertEquals([written.version, written.created], [3, true]);
  assertEquals(made.catalog.get("home/a")?.len, 1);
  assertEquals(made.cache.get("home/a")?.version, 3);
  assertEquals(changes, [["update", "home/a", 3, true]]);
  await made.catalogWriter.flush();
  assertEquals(saved, ["home/a@5"]);
});

Deno.test("StoreState.applyChange() evicts a world that must be read again", () => {
  const { made, changes } = createState();
  made.applyChange("home/a", "T2", result("home/a", "x"), world("home/a", "x"));
  made.applyChange("home/a", "T2", result("home/a", "xy"), undefined);
  assertEquals([made.cache.get("home/a"), made.catalog.get("home/a")?.len], [undefined, 2]);
  assertEquals(changes.at(-1), ["update", "home/a", 3, false]);
});

Deno.test("StoreState.applyRemoval() removes the world and notifies watchers of a deletion", async () => {
  const { made, saved, changes } = createState();
  made.applyChange("home/a", "T2", result("home/a", "x"), world("home/a", "x"));
  made.applyRemoval("home/a", "T3", result("home/a", "x"));
  assertEquals([made.cache.get("home/a"), made.catalog.get("home/a")], [undefined, undefined]);
  assertEquals(changes.at(-1), ["delete", "home/a", 3, false]);
  await made.catalogWriter.flush();
  assertEquals(saved, ["-home/a"]);
});

Deno.test("StoreState.applyRemoval() shows the lower-layer world and notifies watchers of an update", () => {
  const { made, changes } = createState(world("usr/a", "low", "lower"));
  made.applyChange("usr/a", "T3", result("usr/a", "high"), undefined);
  made.applyRemoval("usr/a", "T3", result("usr/a", "high"));
  assertEquals(made.catalog.get("usr/a")?.layer, "lower");
  assertEquals(changes.at(-1), ["update", "usr/a", 0, true]);
});

Deno.test("StoreState.applyRow() adds a row, or removes a world without one", () => {
  const { made } = createState();
  const row = { name: "home/a", version: 2, ext: "md", len: 4, state: "", updatedAt: TIME };
  const head = { by: "T2", head: 1, headAt: TIME };
  made.applyRow("home/a", { ...row, ...head, mtime: 1, size: 2 });
  assertEquals(made.catalog.get("home/a")?.version, 2);
  made.applyRow("home/a", undefined);
  assertEquals(made.catalog.get("home/a"), undefined);
});

Deno.test("StoreState.applyFileStamps() saves the stamps of existing worlds", async () => {
  const { made, saved } = createState();
  made.applyChange("home/a", "T2", result("home/a", "x"), undefined);
  made.applyFileStamps([{ name: "home/a", mtime: 9, size: 1 }, {
    name: "home/gone",
    mtime: 9,
    size: 1,
  }]);
  await made.catalogWriter.flush();
  assertEquals(saved, ["home/a@9"]);
});
