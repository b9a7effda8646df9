import { deepStrictEqual as equal, ok } from "node:assert/strict";
import { createSeal } from "../../../lib/world/event_chain.ts";
import { folderOf } from "../../../lib/world/name.ts";
import { OpenWorlds, settledOf } from "../../../lib/world/worker/handle_cache.ts";
import { MUSEUM_KEY } from "../../testdata/museum.ts";
import { withTempData } from "../../testdata/temp_data.ts";
import { putJob, testWriter } from "../../testdata/test_writer.ts";

const NAMES = ["home/a", "home/b", "home/c"] as const;

/** Three worlds on disk, and nothing open. */
function withWorlds(handles: number, use: (open: OpenWorlds, data: string) => void) {
  return withTempData((data) => {
    const writer = testWriter(data);
    writer.apply(NAMES.map((name) => putJob(name, name)));
    writer.close();
    const history = { versions: 10, bytes: 10_000 };
    const open = new OpenWorlds(data, handles, {
      seal: createSeal(MUSEUM_KEY),
      sync: "full",
      history,
    });
    try {
      use(open, data);
    } finally {
      open.close();
    }
  });
}

Deno.test("OpenWorlds.take() opens a file once, and none where no world is", () =>
  withWorlds(10, (open) => {
    const file = open.take("home/a");
    equal(file?.row.version, 1);
    ok(open.take("home/a") === file);
    equal([open.take("home/none"), open.has("home/a"), open.has("home/b")], [
      undefined,
      true,
      false,
    ]);
  }));

Deno.test("OpenWorlds.take() closes the least recently used past its bound", () =>
  withWorlds(2, (open, data) => {
    open.take("home/a");
    open.take("home/b");
    open.take("home/a");
    open.take("home/c");
    equal(NAMES.map((name) => open.has(name)), [true, false, true]);
    equal(open.takeSettled(), [{ name: "home/b", ...settledOf(data, "home/b") }]);
    equal(open.takeSettled(), []);
  }));

Deno.test("OpenWorlds.part() closes a file of which nothing more is said", () =>
  withWorlds(10, (open) => {
    open.take("home/a");
    open.part("home/a");
    equal([open.has("home/a"), open.takeSettled()], [false, []]);
  }));

Deno.test("OpenWorlds.maintain() folds a grown log into its file, one world at a time", () =>
  withWorlds(10, (open, data) => {
    for (const name of ["home/a", "home/b"]) {
      const file = open.take(name);
      ok(file);
      file.begin();
      const fields = { ext: "bin", headers: "[]", state: "" };
      file.replace(new Uint8Array(3 * 1024 * 1024), fields, "2026-01-01T00:00:00.000Z", {});
      file.commit();
      open.changed(file);
    }
    const sizes = () =>
      ["home/a", "home/b"].map((name) => settledOf(data, name).size > 3 * 1024 * 1024);
    equal([sizes(), open.maintain()], [[false, false], true]);
    equal([sizes(), open.maintain()], [[true, false], false]);
    equal([sizes(), open.maintain()], [[true, true], false]);
  }));

Deno.test("OpenWorlds.abandon() takes a world back to its last commit", () =>
  withWorlds(10, (open) => {
    const file = open.take("home/a");
    ok(file);
    file.begin();
    file.note("remark", {}, "2026-01-01T00:00:00.000Z");
    file.transition("seen", "2026-01-01T00:00:00.000Z", {});
    equal(file.row.state, "seen");
    open.abandon("home/a");
    equal(open.take("home/a")?.row.state, "");
    open.abandon("home/none");
  }));

Deno.test("OpenWorlds.release() says nothing of a file that is no longer there", () =>
  withWorlds(10, (open, data) => {
    open.take("home/a");
    Deno.removeSync(`${data}/${folderOf("home/a")}`, { recursive: true });
    open.release("home/a");
    equal([open.has("home/a"), open.takeSettled()], [false, []]);
  }));
