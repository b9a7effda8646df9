import { assert, assertEquals, assertRejects } from "../../support/assert.ts";
import { fileRow, isListed, listFolder } from "../../../plugins/fstab/list_folder.ts";
import { fileError, infoOf, memoryFiles, mountRequest } from "./memory_files.ts";

const UPLOAD = `.elastik-${"0".repeat(36)}.part`;
const TREE = {
  "/srv": null,
  "/srv/sub": null,
  "/srv/u\u0308.md": "text",
  [`/srv/${UPLOAD}`]: "half",
  "/srv/two\nlines": "",
};

Deno.test("listFolder() lists names in NFC, and omits those that a URL cannot contain", async () => {
  const request = mountRequest("/mnt/w/", { headers: { accept: "application/json" } }, TREE);
  const response = await listFolder(request, memoryFiles(TREE), "/srv");
  const time = { updated_at: "2026-05-31T12:00:00.000Z" };
  assertEquals(await response.json(), [
    { name: "sub", dir: true, ...time },
    { name: "ü.md", dir: false, size: 4, len: 4, ...time },
  ]);
  assertEquals(response.headers.get("allow"), "GET, HEAD, OPTIONS, POST, PUT");
});

Deno.test("listFolder() marks a symlink, and one that cannot be followed", async () => {
  const files = memoryFiles({ "/srv/in": "text", "/srv/out": { error: "TypeError" } });
  files.list = () =>
    Promise.resolve(["in", "out"].map((name) => ({ ...infoOf(name, ""), kind: "link" as const })));
  const request = mountRequest("/mnt/w/", { headers: { accept: "application/json" } }, {});
  const [inside, outside] = await (await listFolder(request, files, "/srv")).json();
  assertEquals([inside.link, inside.size], [true, 4]);
  assertEquals(outside, { name: "out", dir: false, link: true, reachable: false });
});

Deno.test("listFolder() lists at most 10000 entries and says so", async () => {
  const files = memoryFiles({});
  files.list = (_path, { most = 0 } = {}) =>
    Promise.resolve(Array.from({ length: most }, (_, at) => infoOf(`${at}`, "")));
  const response = await listFolder(mountRequest("/mnt/w/", {}, {}), files, "/srv");
  assertEquals(response.headers.get("x-mount-truncated"), "10000");
  assertEquals((await response.text()).split("\n").length, 10_001);
});

Deno.test("listFolder() lists a name once, and no name that a request cannot find", async () => {
  const files = memoryFiles({ "/srv/\u00fc": "NFC", "/srv/a\ufffd": "text" });
  const entries = [infoOf("u\u0308", "NFD!"), infoOf("\u00fc", "NFC"), infoOf("u\u0308", "NFD!")];
  files.list = () =>
    Promise.resolve([...entries, infoOf("a\ufffd", "text"), infoOf("b\ufffd", "lost")]);
  const request = mountRequest("/mnt/w/", { headers: { accept: "application/json" } }, {});
  const rows = await (await listFolder(request, files, "/srv")).json();
  assertEquals(rows.map(({ name, size }: { name: string; size: number }) => [name, size]), [
    ["a\ufffd", 4],
    ["\u00fc", 3],
  ]);
});

Deno.test("listFolder() throws the problem of a folder that cannot be listed", async () => {
  const files = memoryFiles({});
  files.list = () => Promise.reject(fileError("PermissionDenied"));
  await assertRejects(listFolder(mountRequest("/mnt/w/", {}, {}), files, "/srv"), { status: 403 });
});

Deno.test("isListed() rejects control characters, backslashes and files that are being written", () => {
  for (const name of ["a", "ü b", ".hidden", "100%"]) assert(isListed(name), name);
  for (const name of ["a\nb", "a\\b", "\ud800", "..;x", UPLOAD]) assert(!isListed(name), name);
});

Deno.test("fileRow() has no size for a folder, and is not reachable for a device", () => {
  const info = { ...infoOf("x", "text"), modified: null };
  assertEquals(fileRow("x", info), { name: "x", dir: false, size: 4, len: 4 });
  assertEquals(fileRow("x", { ...info, kind: "folder" }), { name: "x", dir: true });
  assertEquals(fileRow("x", { ...info, kind: "other" }), {
    name: "x",
    dir: false,
    reachable: false,
  });
});
