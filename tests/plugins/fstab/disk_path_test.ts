import { assertEquals, assertRejects } from "../../support/assert.ts";
import { createDiskPath, findFile } from "../../../plugins/fstab/disk_path.ts";
import { memoryFiles, mountRequest, type Tree } from "./memory_files.ts";

const TREE: Tree = {
  "/srv": null,
  "/srv/a": "text",
  "/srv/u\u0308": null,
  "/srv/u\u0308/x": "nfd",
  "/srv/out": { error: "TypeError" },
  "/srv/a/b": { error: "NotADirectory" },
};
const find = (...segments: string[]) => findFile(memoryFiles(TREE), "/srv", segments, "/mnt/w/x");

Deno.test("findFile() finds a file by its path", async () => {
  const { diskPath, info } = await find("a");
  assertEquals([diskPath, info.size], ["/srv/a", 4]);
  assertEquals((await find()).info.kind, "folder");
});

Deno.test("findFile() finds a file whose name on the disk is in NFD", async () => {
  assertEquals((await find("ü", "x")).diskPath, "/srv/u\u0308/x");
});

Deno.test("findFile() throws the first error if there is no other spelling", async () => {
  await assertRejects(find("b"), {
    status: 404,
    message: "Cannot read /mnt/w/x: it does not exist",
  });
  await assertRejects(find("ü", "y"), { status: 404 });
  await assertRejects(find("out"), { status: 403 });
});

Deno.test("createDiskPath() returns the path of a file that exists, in either spelling", async () => {
  const tree = { ...TREE };
  const diskPathOf = (path: string) => {
    const mounted = mountRequest(path, { method: "PUT" }, tree);
    return createDiskPath(memoryFiles(tree), mounted);
  };
  assertEquals(await diskPathOf("/mnt/w/a"), "/srv/a");
  assertEquals(await diskPathOf("/mnt/w/ü/x"), "/srv/u\u0308/x");
  assertEquals(tree, TREE);
});

Deno.test("createDiskPath() creates the folders above a file that does not exist", async () => {
  const tree: Tree = { "/srv": null };
  const mounted = mountRequest("/mnt/w/new/deep/x", { method: "PUT" }, tree);
  assertEquals(await createDiskPath(memoryFiles(tree), mounted), "/srv/new/deep/x");
  assertEquals(tree, { "/srv": null, "/srv/new": null, "/srv/new/deep": null });
});

Deno.test("createDiskPath() throws conflict below a file, or if the mounted folder is missing", async () => {
  const put = (tree: Tree) =>
    createDiskPath(memoryFiles(tree), mountRequest("/mnt/w/a/b", { method: "PUT" }, tree));
  await assertRejects(put({ ...TREE }), {
    status: 409,
    message: "Cannot PUT /mnt/w/a/b: a part of the path is not a folder",
  });
  const empty: Tree = {};
  await assertRejects(put(empty), {
    status: 409,
    message: "Cannot PUT /mnt/w/a/b: the mounted folder does not exist",
  });
  assertEquals(empty, {});
});
