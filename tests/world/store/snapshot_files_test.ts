import { assertEquals, assertRejects } from "../../support/assert.ts";
import { SnapshotFiles } from "../../../lib/world/store/snapshot_files.ts";
import { withTempFolder } from "../../support/temp_folder.ts";

type CopyFile = ConstructorParameters<typeof SnapshotFiles>[1]["copy"];

function withFiles(
  most: number,
  make: CopyFile,
  use: (files: SnapshotFiles, incoming: () => string[]) => Promise<void>,
): Promise<void> {
  return withTempFolder(async (data) => {
    Deno.mkdirSync(`${data}/.incoming`);
    await use(
      new SnapshotFiles(data, { copy: make }, most),
      () => [...Deno.readDirSync(`${data}/.incoming`)].map(({ name }) => name),
    );
  });
}

/** Creates a copy of 200 000 bytes, each with the number of the copy. */
const makeFile: CopyFile = async ({ path }) => {
  await Deno.writeFile(path, new Uint8Array(200_000).fill(path.length));
  return { version: 1, path, length: 200_000 };
};

Deno.test("SnapshotFiles.create() returns the stream of an unlinked file", () =>
  withFiles(2, makeFile, async (files, incoming) => {
    const taken = await files.create("home/x");
    assertEquals([incoming(), files.openCount, taken?.length], [[], 1, 200_000]);
    assertEquals((await new Response(taken?.body ?? null).bytes()).length, 200_000);
    assertEquals(files.openCount, 0);
  }));

Deno.test("SnapshotFiles.create() throws busy at the limit, until a stream ends or is cancelled", () =>
  withFiles(2, makeFile, async (files) => {
    const taken = await Promise.all([files.create("home/a"), files.create("home/b")]);
    await assertRejects(files.create("home/c"), { code: "busy" });
    const [first] = taken;
    if (first?.body instanceof ReadableStream) await first.body.cancel();
    assertEquals(files.openCount, 1);
    await files.create("home/c");
    assertEquals(files.openCount, 2);
  }));

Deno.test("SnapshotFiles.create() keeps its limit for simultaneous calls", () =>
  withFiles(2, makeFile, async (files, incoming) => {
    const names = ["home/a", "home/b", "home/c", "home/d"];
    const outcomes = await Promise.allSettled(names.map((name) => files.create(name)));
    assertEquals(outcomes.filter(({ status }) => status === "fulfilled").length, 2);
    assertEquals([files.openCount, incoming()], [2, []]);
    for (const outcome of outcomes) {
      if (outcome.status === "rejected") assertEquals(outcome.reason.code, "busy");
      else await new Response(outcome.value?.body ?? null).bytes();
    }
    assertEquals(files.openCount, 0);
  }));

Deno.test("SnapshotFiles.create() does not count short, failed and missing copies", async () => {
  const make: CopyFile = ({ name }) => {
    if (name === "home/bad") return Promise.reject(new Error("no"));
    if (name === "home/none") return Promise.resolve(undefined);
    return Promise.resolve({ version: 1, bytes: new Uint8Array(3) });
  };
  await withFiles(1, make, async (files) => {
    const names = ["home/a", "home/bad", "home/b", "home/none", "home/c"];
    const outcomes = await Promise.allSettled(names.map((name) => files.create(name)));
    assertEquals(outcomes.map(({ status }) => status === "rejected"), [
      false,
      true,
      false,
      false,
      false,
    ]);
    assertEquals(files.openCount, 0);
  });
});
