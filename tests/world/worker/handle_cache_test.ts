import { assert, assertEquals } from "../../support/assert.ts";
import { createChainSigner } from "../../../lib/world/event_chain.ts";
import { toFolderName } from "../../../lib/world/name.ts";
import { HandleCache, readFileStamp } from "../../../lib/world/worker/handle_cache.ts";
import { SAMPLE_KEY } from "../../testdata/sample_world.ts";
import { putJob, testWriter } from "../../testdata/test_writer.ts";
import { withTempFolder } from "../../support/temp_folder.ts";

const NAMES = ["home/a", "home/b", "home/c"] as const;

/** Creates three worlds on disk; none is open. */
function withWorlds(handles: number, use: (open: HandleCache, data: string) => void) {
  return withTempFolder((data) => {
    const writer = testWriter(data);
    writer.apply(NAMES.map((name) => putJob(name, name)));
    writer.close();
    const history = { versions: 10, bytes: 10_000 };
    const open = new HandleCache(
      data,
      handles,
      {
        sign: createChainSigner(SAMPLE_KEY),
        sync: "full",
        history,
      },
      { lastUse: () => undefined },
      () => 0,
    );
    try {
      use(open, data);
    } finally {
      open.close();
    }
  });
}

function isOpen(files: HandleCache, name: string): boolean {
  return files.peek(name) !== undefined;
}

Deno.test("HandleCache.open() opens a file once and returns undefined for a missing world", () =>
  withWorlds(10, (open) => {
    const file = open.open("home/a");
    assertEquals(file?.row.version, 1);
    assert(open.open("home/a") === file);
    assertEquals([open.open("home/none"), isOpen(open, "home/a"), isOpen(open, "home/b")], [
      undefined,
      true,
      false,
    ]);
  }));

Deno.test("HandleCache.open() closes the least recently used file beyond its limit", () =>
  withWorlds(2, (open, data) => {
    open.open("home/a");
    open.open("home/b");
    open.open("home/a");
    open.open("home/c");
    assertEquals(NAMES.map((name) => isOpen(open, name)), [true, false, true]);
    assertEquals(open.takeClosed(), [{ name: "home/b", ...readFileStamp(data, "home/b") }]);
    assertEquals(open.takeClosed(), []);
  }));

Deno.test("HandleCache.discard() closes a file without recording its stamp", () =>
  withWorlds(10, (open) => {
    open.open("home/a");
    open.discard("home/a");
    assertEquals([isOpen(open, "home/a"), open.takeClosed()], [false, []]);
  }));

Deno.test("HandleCache.checkpointOne() checkpoints one world with a large log per call", () =>
  withWorlds(10, (open, data) => {
    for (const name of ["home/a", "home/b"]) {
      const file = open.open(name);
      assert(file);
      file.begin();
      const fields = { ext: "bin", headers: "[]", state: "" };
      file.replace(new Uint8Array(3 * 1024 * 1024), fields, "2026-01-01T00:00:00.000Z", {});
      file.commit();
      open.scheduleCheckpoint(file);
    }
    const sizes = () =>
      ["home/a", "home/b"].map((name) => readFileStamp(data, name).size > 3 * 1024 * 1024);
    assertEquals([sizes(), open.checkpointOne()], [[false, false], true]);
    assertEquals([sizes(), open.checkpointOne()], [[true, false], false]);
    assertEquals([sizes(), open.checkpointOne()], [[true, true], false]);
  }));

Deno.test("HandleCache.rollBack() restores the last commit of a world", () =>
  withWorlds(10, (open) => {
    const file = open.open("home/a");
    assert(file);
    file.begin();
    file.note("remark", {}, "2026-01-01T00:00:00.000Z");
    file.transition("seen", "2026-01-01T00:00:00.000Z", {});
    assertEquals(file.row.state, "seen");
    open.rollBack("home/a");
    assertEquals(open.open("home/a")?.row.state, "");
    open.rollBack("home/none");
  }));

Deno.test("HandleCache.release() records no stamp for a missing file", () =>
  withWorlds(10, (open, data) => {
    open.open("home/a");
    Deno.removeSync(`${data}/${toFolderName("home/a")}`, { recursive: true });
    open.release("home/a");
    assertEquals([isOpen(open, "home/a"), open.takeClosed()], [false, []]);
  }));
