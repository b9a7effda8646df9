import { assertEquals } from "../../support/assert.ts";
import { CatalogWriter } from "../../../lib/world/store/catalog_writer.ts";
import type { WorldEntry } from "../../../lib/world/store.ts";

function entry(name: string, version: number): WorldEntry {
  return {
    name,
    version,
    ext: "txt",
    len: 1,
    state: "",
    updatedAt: "t",
    layer: "upper",
    by: "",
    head: 1,
    headAt: "",
  };
}

/** Creates a writer that saves to a list. */
function createWriter(): { writer: CatalogWriter; saved: string[] } {
  const saved: string[] = [];
  const writer = new CatalogWriter({
    saveCatalog(rows, gone) {
      saved.push([
        ...rows.map(({ name, version, mtime, size }) => `${name}=${version}@${mtime}+${size}`),
        ...gone.map((name) => `-${name}`),
      ].join(" "));
      return Promise.resolve();
    },
  });
  return { writer, saved };
}

Deno.test("CatalogWriter.flush() saves the newest row of each world in one call", async () => {
  const { writer, saved } = createWriter();
  writer.recordChange(entry("home/a", 1));
  writer.recordChange(entry("home/b", 1), { mtime: 7, size: 8 });
  writer.recordChange(entry("home/a", 2), { mtime: 5, size: 6 });
  await writer.flush();
  assertEquals(saved, ["home/a=2@5+6 home/b=1@7+8"]);
});

Deno.test("CatalogWriter.recordChange() without a stamp replaces an earlier stamp", async () => {
  const { writer, saved } = createWriter();
  writer.recordChange(entry("home/a", 1), { mtime: 5, size: 6 });
  writer.recordChange(entry("home/a", 2));
  await writer.flush();
  assertEquals(saved, ["home/a=2@0+0"]);
});

Deno.test("CatalogWriter.flush() saves a world that was removed and created again, and drops one that was created and removed", async () => {
  const { writer, saved } = createWriter();
  writer.recordRemoval("home/a");
  writer.recordChange(entry("home/a", 1));
  writer.recordChange(entry("home/b", 1));
  writer.recordRemoval("home/b");
  await writer.flush();
  assertEquals(saved, ["home/a=1@0+0 -home/b"]);
});

Deno.test("CatalogWriter.flush() saves nothing without changes and no change twice", async () => {
  const { writer, saved } = createWriter();
  await writer.flush();
  writer.recordRemoval("home/a");
  await writer.flush();
  await writer.flush();
  assertEquals(saved, ["-home/a"]);
});

Deno.test("CatalogWriter.recordChange() saves automatically after a delay", async () => {
  const written = Promise.withResolvers<number>();
  const writer = new CatalogWriter({
    saveCatalog(rows) {
      written.resolve(rows.length);
      return Promise.resolve();
    },
  });
  writer.recordChange(entry("home/a", 1));
  writer.recordChange(entry("home/b", 1));
  assertEquals(await written.promise, 2);
});

Deno.test("CatalogWriter.flush() ignores a failed save", async () => {
  let calls = 0;
  const writer = new CatalogWriter({
    saveCatalog() {
      calls += 1;
      return calls === 1 ? Promise.reject(new Error("the disk is full")) : Promise.resolve();
    },
  });
  writer.recordChange(entry("home/a", 1));
  await writer.flush();
  writer.recordChange(entry("home/a", 2));
  await writer.flush();
  assertEquals(calls, 2);
});
