import { assertEquals, assertMatch, assertRejects, assertThrows } from "../../support/assert.ts";
import { Catalog } from "../../../lib/world/store/catalog.ts";
import { EmptyCollections } from "../../../lib/world/store/empty_collections.ts";
import { UnusableEntry } from "../../../lib/world/file/data_folder.ts";
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
  const isChanged = await Promise.all([
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
  // Exactly one of two equal marks is new.
  assertEquals(isChanged, [true, true, false, false, true]);
});

Deno.test("EmptyCollections.load() reports lines that are not names and keeps a copy of the file", () =>
  withTempFolder((data) => {
    const catalog = new Catalog();
    const lines: string[] = [];
    const marks = new EmptyCollections(catalog, { saveCollections: () => Promise.resolve() });
    const load = () => marks.load(data, (line) => lines.push(line));
    const path = `${data}/.collections`;
    load();
    Deno.writeTextFileSync(path, "\ufeffhome/ok\r\n\r\nhome/too\r\n");
    load();
    assertEquals(lines, []);
    const content = "home/ok\n\nhome//x\nelsewhere/x\nhome/a/../b\n";
    Deno.writeTextFileSync(path, content);
    load();
    load();
    assertEquals(catalog.markedCollections(), ["home/ok", "home/too"]);
    assertEquals(lines.length, 2);
    assertMatch(lines[0] ?? "", /^3 lines of \.collections are not names/);
    assertEquals(Deno.readTextFileSync(`${path}.damaged`), content);
  }));

Deno.test("EmptyCollections.load() throws for an entry that is not a file, and changes nothing", () =>
  withTempFolder((data) => {
    Deno.mkdirSync(`${data}/.collections`);
    const marks = new EmptyCollections(new Catalog(), { saveCollections: () => Promise.resolve() });
    assertThrows(
      () => marks.load(data, () => {}),
      (error) =>
        error instanceof UnusableEntry &&
        /its file \.collections cannot be used: it is a folder, not a file;/.test(error.message),
    );
    assertEquals([...Deno.readDirSync(data)].map(({ name }) => name), [".collections"]);
  }));
