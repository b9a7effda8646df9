import { assertEquals } from "../../support/assert.ts";
import { CatalogWriter } from "../../../lib/world/store/catalog_writer.ts";
import type { WorldEntry } from "../../../lib/world/store.ts";

function entry(name: string, version: number): WorldEntry {
  return { name, version, ext: "txt", len: 1, state: "", updatedAt: "t", layer: "upper" };
}

/** Creates a writer that saves to a list. */
function listening(): { keeper: CatalogWriter; saved: string[] } {
  const saved: string[] = [];
  const keeper = new CatalogWriter({
    saveCatalog(rows, gone) {
      saved.push([
        ...rows.map(({ name, version, mtime, size }) => `${name}=${version}@${mtime}+${size}`),
        ...gone.map((name) => `-${name}`),
      ].join(" "));
      return Promise.resolve();
    },
  });
  return { keeper, saved };
}

Deno.test("CatalogWriter.flush() saves the newest row of each world in one call", async () => {
  const { keeper, saved } = listening();
  keeper.changed(entry("home/a", 1));
  keeper.changed(entry("home/b", 1), { mtime: 7, size: 8 });
  keeper.changed(entry("home/a", 2), { mtime: 5, size: 6 });
  await keeper.flush();
  assertEquals(saved, ["home/a=2@5+6 home/b=1@7+8"]);
});

Deno.test("CatalogWriter.changed() without a stamp replaces an earlier stamp", async () => {
  const { keeper, saved } = listening();
  keeper.changed(entry("home/a", 1), { mtime: 5, size: 6 });
  keeper.changed(entry("home/a", 2));
  await keeper.flush();
  assertEquals(saved, ["home/a=2@0+0"]);
});

Deno.test("CatalogWriter.flush() saves a world that was removed and created again, and drops one that was created and removed", async () => {
  const { keeper, saved } = listening();
  keeper.gone("home/a");
  keeper.changed(entry("home/a", 1));
  keeper.changed(entry("home/b", 1));
  keeper.gone("home/b");
  await keeper.flush();
  assertEquals(saved, ["home/a=1@0+0 -home/b"]);
});

Deno.test("CatalogWriter.flush() saves nothing without changes and no change twice", async () => {
  const { keeper, saved } = listening();
  await keeper.flush();
  keeper.gone("home/a");
  await keeper.flush();
  await keeper.flush();
  assertEquals(saved, ["-home/a"]);
});

Deno.test("CatalogWriter.changed() saves automatically after a delay", async () => {
  const written = Promise.withResolvers<number>();
  const keeper = new CatalogWriter({
    saveCatalog(rows) {
      written.resolve(rows.length);
      return Promise.resolve();
    },
  });
  keeper.changed(entry("home/a", 1));
  keeper.changed(entry("home/b", 1));
  assertEquals(await written.promise, 2);
});

Deno.test("CatalogWriter.flush() ignores a failed save", async () => {
  let calls = 0;
  const keeper = new CatalogWriter({
    saveCatalog() {
      calls += 1;
      return calls === 1 ? Promise.reject(new Error("the disk is full")) : Promise.resolve();
    },
  });
  keeper.changed(entry("home/a", 1));
  await keeper.flush();
  keeper.changed(entry("home/a", 2));
  await keeper.flush();
  assertEquals(calls, 2);
});
