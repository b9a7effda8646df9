import { assertEquals, assertRejects } from "../../support/assert.ts";
import { fileTag } from "../../../plugins/fstab/file_version.ts";
import { readFile } from "../../../plugins/fstab/read_file.ts";
import { infoOf, mountRequest, RW, type Tree } from "./memory_files.ts";

const TREE: Tree = { "/srv": null, "/srv/a.txt": "0123456789", "/srv/sub": null };
const ETAG = fileTag(infoOf("/srv/a.txt", "0123456789"));

function send(path: string, headers: HeadersInit = {}, method = "GET"): Promise<Response> {
  return readFile(mountRequest(path, { headers, method }, TREE));
}

Deno.test("readFile() sends a file with its validators", async () => {
  const response = await send("/mnt/w/a.txt");
  assertEquals(await response.text(), "0123456789");
  const names = ["content-type", "content-length", "etag", "allow"];
  assertEquals(names.map((name) => response.headers.get(name)), [
    "text/plain; charset=utf-8",
    "10",
    ETAG,
    "GET, HEAD, OPTIONS, POST, PUT",
  ]);
});

Deno.test("readFile() answers HEAD with the length of the whole file", async () => {
  const response = await send("/mnt/w/a.txt", { range: "bytes=0-0" }, "HEAD");
  assertEquals(
    [response.status, response.headers.get("content-length"), await response.text()],
    [200, "10", ""],
  );
});

Deno.test("readFile() answers 206 for one range, and 416 beyond the file", async () => {
  const part = await send("/mnt/w/a.txt", { range: "bytes=2-4" });
  assertEquals(
    [part.status, await part.text(), part.headers.get("content-range")],
    [206, "234", "bytes 2-4/10"],
  );
  const headers = { "content-range": "bytes */10", "accept-ranges": "bytes" };
  await assertRejects(send("/mnt/w/a.txt", { range: "bytes=10-" }), { status: 416, headers });
});

Deno.test("readFile() evaluates preconditions before ranges", async () => {
  const headers = { "if-none-match": ETAG, "range": "bytes=10-" };
  assertEquals((await send("/mnt/w/a.txt", headers)).status, 304);
  await assertRejects(send("/mnt/w/a.txt", { "if-match": '"x"' }), { status: 412 });
});

Deno.test("readFile() lists a folder, and redirects a browser to its slash", async () => {
  assertEquals(await (await send("/mnt/w")).text(), "a.txt\nsub/\n");
  const page = await send("/mnt/w/sub?x=1", { accept: "text/html" });
  assertEquals([page.status, page.headers.get("location")], [302, "/mnt/w/sub/?x=1"]);
  assertEquals((await send("/mnt/w/sub/", { accept: "text/html" })).headers.get("x-show"), "shell");
});

Deno.test("readFile() refuses a file with a slash, and what is not a file", async () => {
  await assertRejects(send("/mnt/w/a.txt/"), { status: 404 });
  const mounted = mountRequest("/mnt/w/pipe", {}, {});
  const { files } = mounted.env;
  if (files === undefined) throw new Error("no files");
  files.stat = () => Promise.resolve({ ...infoOf("pipe", ""), kind: "other" });
  await assertRejects(readFile(mounted), { status: 403 });
});

Deno.test("readFile() has no Allow header for a mount that is ro", async () => {
  const response = await readFile(mountRequest("/mnt/w/a.txt", {}, TREE, { ...RW, mode: "ro" }));
  assertEquals(response.headers.get("allow"), null);
});
