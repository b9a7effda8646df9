import { assertEquals, assertRejects } from "../../support/assert.ts";
import { Catalog } from "../../../lib/world/store/catalog.ts";
import { EmptyCollections } from "../../../lib/world/store/empty_collections.ts";
import { withTempFolder } from "../../support/temp_folder.ts";

Deno.test("EmptyCollections.mark() adds a mark to the catalog after it is on disk", async () => {
  const catalog = new Catalog();
  const saving = Promise.withResolvers<void>();
  const marks = new EmptyCollections(catalog, { saveCollections: () => saving.promise });
  const marking = marks.mark("home/a", true);
  await Promise.resolve();
  assertEquals(catalog.isCollection("home/a"), false);
  saving.resolve();
  await marking;
  assertEquals(catalog.isCollection("home/a"), true);
});

Deno.test("EmptyCollections.mark() changes nothing if it fails, and the next call succeeds", async () => {
  const catalog = new Catalog();
  const saved: string[] = [];
  let full = true;
  const marks = new EmptyCollections(catalog, {
    saveCollections(names) {
      if (full) return Promise.reject(new Error("the disk is full"));
      saved.push(names.join());
      return Promise.resolve();
    },
  });
  await assertRejects(marks.mark("home/a", true), /full/);
  full = false;
  await marks.mark("home/b", true);
  assertEquals([catalog.markedCollections(), saved], [["home/b"], ["home/b"]]);
});

Deno.test("EmptyCollections.mark() saves all of several simultaneous marks, and none twice", async () => {
  const catalog = new Catalog();
  const saved: string[] = [];
  const marks = new EmptyCollections(catalog, {
    async saveCollections(names) {
      await Promise.resolve();
      saved.push(names.join());
    },
  });
  await Promise.all([
    marks.mark("home/a", true),
    marks.mark("home/b", true),
    marks.mark("home/a", true),
    marks.mark("home/none", false),
    marks.mark("home/a", false),
  ]);
  assertEquals([catalog.markedCollections(), saved], [["home/b"], [
    "home/a",
    "home/a,home/b",
    "home/b",
  ]]);
});

Deno.test("EmptyCollections.load() reads valid names and ignores other content", () =>
  withTempFolder((data) => {
    const catalog = new Catalog();
    const marks = new EmptyCollections(catalog, { saveCollections: () => Promise.resolve() });
    marks.load(data);
    Deno.mkdirSync(`${data}/.collections`);
    marks.load(data);
    Deno.removeSync(`${data}/.collections`);
    Deno.writeTextFileSync(
      `${data}/.collections`,
      "home/ok\n\nhome//x\nelsewhere/x\nhome/a/../b\n",
    );
    marks.load(data);
    assertEquals(catalog.markedCollections(), ["home/ok"]);
  }));
