import { deepStrictEqual as equal, ok } from "node:assert/strict";
import { createChainSigner } from "../../../lib/world/event_chain.ts";
import { toFolderName } from "../../../lib/world/name.ts";
import { HandleCache, readFileStamp } from "../../../lib/world/worker/handle_cache.ts";
import { MUSEUM_KEY } from "../../testdata/museum.ts";
import { withTempData } from "../../testdata/temp_data.ts";
import { putJob, testWriter } from "../../testdata/test_writer.ts";

const NAMES = ["home/a", "home/b", "home/c"] as const;

/** Three worlds on disk, and nothing open. */
function withWorlds(handles: number, use: (open: HandleCache, data: string) => void) {
  return withTempData((data) => {
    const writer = testWriter(data);
    writer.apply(NAMES.map((name) => putJob(name, name)));
    writer.close();
    const history = { versions: 10, bytes: 10_000 };
    const open = new HandleCache(data, handles, {
      seal: createChainSigner(MUSEUM_KEY),
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

Deno.test("HandleCache.take() opens a file once, and none where no world is", () =>
  withWorlds(10, (open) => {
    const file = open.open("home/a");
    equal(file?.row.version, 1);
    ok(open.open("home/a") === file);
    equal([open.open("home/none"), open.has("home/a"), open.has("home/b")], [
      undefined,
      true,
      false,
    ]);
  }));

Deno.test("HandleCache.take() closes the least recently used past its bound", () =>
  withWorlds(2, (open, data) => {
    open.open("home/a");
    open.open("home/b");
    open.open("home/a");
    open.open("home/c");
    equal(NAMES.map((name) => open.has(name)), [true, false, true]);
    equal(open.takeClosed(), [{ name: "home/b", ...readFileStamp(data, "home/b") }]);
    equal(open.takeClosed(), []);
  }));

Deno.test("HandleCache.part() closes a file of which nothing more is said", () =>
  withWorlds(10, (open) => {
    open.open("home/a");
    open.discard("home/a");
    equal([open.has("home/a"), open.takeClosed()], [false, []]);
  }));

Deno.test("HandleCache.maintain() folds a grown log into its file, one world at a time", () =>
  withWorlds(10, (open, data) => {
    for (const name of ["home/a", "home/b"]) {
      const file = open.open(name);
      ok(file);
      file.begin();
      const fields = { ext: "bin", headers: "[]", state: "" };
      file.replace(new Uint8Array(3 * 1024 * 1024), fields, "2026-01-01T00:00:00.000Z", {});
      file.commit();
      open.scheduleCheckpoint(file);
    }
    const sizes = () =>
      ["home/a", "home/b"].map((name) => readFileStamp(data, name).size > 3 * 1024 * 1024);
    equal([sizes(), open.checkpointOne()], [[false, false], true]);
    equal([sizes(), open.checkpointOne()], [[true, false], false]);
    equal([sizes(), open.checkpointOne()], [[true, true], false]);
  }));

Deno.test("HandleCache.abandon() takes a world back to its last commit", () =>
  withWorlds(10, (open) => {
    const file = open.open("home/a");
    ok(file);
    file.begin();
    file.note("remark", {}, "2026-01-01T00:00:00.000Z");
    file.transition("seen", "2026-01-01T00:00:00.000Z", {});
    equal(file.row.state, "seen");
    open.rollBack("home/a");
    equal(open.open("home/a")?.row.state, "");
    open.rollBack("home/none");
  }));

Deno.test("HandleCache.release() says nothing of a file that is no longer there", () =>
  withWorlds(10, (open, data) => {
    open.open("home/a");
    Deno.removeSync(`${data}/${toFolderName("home/a")}`, { recursive: true });
    open.release("home/a");
    equal([open.has("home/a"), open.takeClosed()], [false, []]);
  }));
