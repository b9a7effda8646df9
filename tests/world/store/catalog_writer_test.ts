import { deepStrictEqual as equal } from "node:assert/strict";
import { CatalogWriter } from "../../../lib/world/store/catalog_writer.ts";
import type { WorldEntry } from "../../../lib/world/store.ts";

function entry(name: string, version: number): WorldEntry {
  return { name, version, ext: "txt", len: 1, state: "", updatedAt: "t", layer: "upper" };
}

/** A keeper that writes into a list. */
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

Deno.test("CatalogWriter.flush() writes the newest row of each world in one go", async () => {
  const { keeper, saved } = listening();
  keeper.changed(entry("home/a", 1));
  keeper.changed(entry("home/b", 1), { mtime: 7, size: 8 });
  keeper.changed(entry("home/a", 2), { mtime: 5, size: 6 });
  await keeper.flush();
  equal(saved, ["home/a=2@5+6 home/b=1@7+8"]);
});

Deno.test("CatalogWriter.changed() without a settled file takes back that an older row was settled", async () => {
  const { keeper, saved } = listening();
  keeper.changed(entry("home/a", 1), { mtime: 5, size: 6 });
  keeper.changed(entry("home/a", 2));
  await keeper.flush();
  equal(saved, ["home/a=2@0+0"]);
});

Deno.test("CatalogWriter keeps a world that went and came back, and drops one that came and went", async () => {
  const { keeper, saved } = listening();
  keeper.gone("home/a");
  keeper.changed(entry("home/a", 1));
  keeper.changed(entry("home/b", 1));
  keeper.gone("home/b");
  await keeper.flush();
  equal(saved, ["home/a=1@0+0 -home/b"]);
});

Deno.test("CatalogWriter.flush() writes nothing when nothing changed, and nothing twice", async () => {
  const { keeper, saved } = listening();
  await keeper.flush();
  keeper.gone("home/a");
  await keeper.flush();
  await keeper.flush();
  equal(saved, ["-home/a"]);
});

Deno.test("CatalogWriter writes by itself after a moment", async () => {
  const written = Promise.withResolvers<number>();
  const keeper = new CatalogWriter({
    saveCatalog(rows) {
      written.resolve(rows.length);
      return Promise.resolve();
    },
  });
  keeper.changed(entry("home/a", 1));
  keeper.changed(entry("home/b", 1));
  equal(await written.promise, 2);
});

Deno.test("CatalogWriter goes on after a save that failed: what it keeps is derived", async () => {
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
  equal(calls, 2);
});
