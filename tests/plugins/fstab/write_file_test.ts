import { assertEquals, assertRejects } from "../../support/assert.ts";
import { fileTag } from "../../../plugins/fstab/file_version.ts";
import { writeFile } from "../../../plugins/fstab/write_file.ts";
import { infoOf, mountRequest, type Tree } from "./memory_files.ts";

const MAX = 5 * 1024 * 1024;

function send(
  tree: Tree,
  method: "PUT" | "POST",
  path: string,
  body: string | null,
  headers: HeadersInit = {},
): Promise<Response> {
  return writeFile(mountRequest(path, { method, body, headers }, tree));
}

Deno.test("writeFile() creates a file by PUT and reports its version", async () => {
  const tree: Tree = { "/srv": null };
  const response = await send(tree, "PUT", "/mnt/w/a b/x", "text");
  assertEquals(
    [response.status, response.headers.get("location"), tree["/srv/a b/x"]],
    [201, "/mnt/w/a%20b/x", "text"],
  );
  const { size, version } = await response.json();
  assertEquals([size, version], [4, response.headers.get("x-mount-version")]);
});

Deno.test("writeFile() replaces by PUT and appends by POST", async () => {
  const tree: Tree = { "/srv": null, "/srv/x": "old" };
  assertEquals((await send(tree, "PUT", "/mnt/w/x", "new")).status, 200);
  assertEquals((await send(tree, "POST", "/mnt/w/x", "er")).status, 200);
  assertEquals(tree["/srv/x"], "newer");
  assertEquals((await send(tree, "PUT", "/mnt/w/x", null)).status, 200);
  assertEquals(tree["/srv/x"], "");
});

Deno.test("writeFile() refuses an append of more than 5 MiB", async () => {
  const tree: Tree = { "/srv": null, "/srv/x": "" };
  await assertRejects(send(tree, "POST", "/mnt/w/x", "x".repeat(MAX + 1)), { status: 413 });
  assertEquals(tree["/srv/x"], "");
  assertEquals((await send(tree, "POST", "/mnt/w/x", "x".repeat(MAX))).status, 200);
});

Deno.test("writeFile() refuses folders and Content-Range", async () => {
  const tree: Tree = { "/srv": null, "/srv/sub": null };
  for (const path of ["/mnt/w", "/mnt/w/", "/mnt/w/x/", "/mnt/w/sub"]) {
    await assertRejects(send(tree, "PUT", path, "x"), { status: 409 }, path);
  }
  const headers = { "content-range": "bytes 0-0/5" };
  await assertRejects(send(tree, "PUT", "/mnt/w/x", "x", headers), { status: 400 });
});

Deno.test("writeFile() evaluates preconditions and changes nothing if one fails", async () => {
  const tree: Tree = { "/srv": null, "/srv/x": "old" };
  const etag = fileTag(infoOf("/srv/x", "old"));
  for (const method of ["PUT", "POST"] as const) {
    for (const headers of [{ "if-none-match": "*" }, { "if-match": '"x"' }]) {
      await assertRejects(send(tree, method, "/mnt/w/x", "new", headers), { status: 412 });
    }
  }
  await assertRejects(send(tree, "PUT", "/mnt/w/y", "new", { "if-match": "*" }), { status: 412 });
  assertEquals(tree, { "/srv": null, "/srv/x": "old" });
  assertEquals((await send(tree, "PUT", "/mnt/w/x", "newer", { "if-match": etag })).status, 200);
});

Deno.test("writeFile() lets one of several writers of the same version succeed", async () => {
  const tree: Tree = { "/srv": null, "/srv/x": "old" };
  const headers = { "if-match": fileTag(infoOf("/srv/x", "old")) };
  const results = await Promise.allSettled(
    ["first", "second", "another"].map((body) => send(tree, "PUT", "/mnt/w/x", body, headers)),
  );
  assertEquals(results.filter(({ status }) => status === "fulfilled").length, 1);
});
