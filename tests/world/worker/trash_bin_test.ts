import { assertEquals } from "../../support/assert.ts";
import { TrashBin } from "../../../lib/world/worker/trash_bin.ts";
import { putJob, removeJob, testWriter } from "../../testdata/test_writer.ts";
import { withTempFolder } from "../../support/temp_folder.ts";

const ALL = [{ name: "", part: "tree", restricted: true }] as const;

Deno.test("TrashBin reads the facts of worlds that an earlier version deleted from their chains", () =>
  withTempFolder((data) => {
    const writer = testWriter(data);
    writer.apply([putJob("home/x", "text")]);
    writer.apply([removeJob("home/x")]);
    writer.close();
    const bin = new TrashBin(data);
    const recorded = bin.page({ within: ALL, limit: 9 }).entries;
    assertEquals(recorded.length, 1);
    const [id = ""] = recorded.map((entry) => entry.id);
    assertEquals(bin.unknown("2999-01-01T00:00:00.000Z"), []);
    const [read] = bin.facts([id]);
    const { bytes: _b, ...facts } = read ?? {};
    const { bytes: _c, ...known } = recorded[0] ?? {};
    assertEquals(facts, known);
    bin.close();
  }));

Deno.test("TrashBin drops rows without a folder, unless the deletion may be running", () =>
  withTempFolder((data) => {
    Deno.mkdirSync(`${data}/.trash`);
    const bin = new TrashBin(data);
    const deletedAt = "2026-11-28T10:00:00.000Z";
    const more = { version: 1, deletedAt, by: "T3", ext: "txt", bytes: 1, restricted: false };
    bin.add([{ id: "lost", name: "home/x", ...more }]);
    assertEquals(bin.page({ within: ALL, limit: 9 }), { entries: [], more: false });
    bin.unknown("2026-11-28T10:05:00.000Z");
    assertEquals(bin.add([]).entries, 1);
    bin.unknown("2026-11-28T11:00:00.000Z");
    assertEquals(bin.add([]).entries, 0);
    bin.close();
  }));

Deno.test("TrashBin lists a page of 20,000 entries without opening their files", () =>
  withTempFolder((data) => {
    const bin = new TrashBin(data);
    Deno.mkdirSync(`${data}/.trash`);
    const records = Array.from({ length: 20_000 }, (_, i) => ({
      id: `id${i}`,
      name: `home/${i % 100}/${i}`,
      version: 1,
      deletedAt: new Date(1e12 + i).toISOString(),
      by: "T3",
      ext: "txt",
      bytes: 1,
      restricted: false,
    }));
    bin.add(records);
    for (const { id, name } of records.slice(-300)) {
      const folder = `${data}/.trash/${id}/${encodeURIComponent(name)}`;
      Deno.mkdirSync(folder, { recursive: true });
      Deno.writeTextFileSync(`${folder}/universe.db`, "");
    }
    const page = bin.page({ within: ALL, limit: 100 });
    const part = bin.page({
      within: [{ name: "home/99", part: "tree", restricted: false }],
      limit: 2,
    });
    assertEquals([page.entries.length, page.entries[0]?.id, page.more], [100, "id19999", true]);
    assertEquals(part.entries.map(({ id }) => id), ["id19999", "id19899"]);
    // The files are empty.
    for (const { version, ext, bytes } of page.entries) {
      assertEquals([version, ext, bytes], [1, "txt", 1]);
    }
    bin.close();
  }));
