import { equal, throws } from "node:assert/strict";
import { ArchiveRefused, entryPath } from "../../lib/archive/archive_entry.ts";

Deno.test("entryPath() takes what a data folder needs, with and without data/ before it", () => {
  const rows: readonly [string, string | undefined][] = [
    ["data/home%2Fx/universe.db", "home%2Fx/universe.db"],
    ["./data/home%2Fx/universe.db-wal", "home%2Fx/universe.db-wal"],
    ["home%2Fx/universe.db", "home%2Fx/universe.db"],
    ["data/.key", ".key"],
    [".collections", ".collections"],
    ["data/..%2F..%2Fetc/universe.db", undefined],
    ["data/home%2Fx/universe.db-shm", undefined],
    ["data/home%2Fx/extra", undefined],
    ["data/home%2Fx/deep/universe.db", undefined],
    ["data/.approve-token", undefined],
    ["data/.lock", undefined],
    ["data/.catalog.db", undefined],
    ["data/.trash/1/universe.db", undefined],
    [".trash/universe.db", undefined],
    ["data/.incoming/universe.db", undefined],
    ["data/data/.key", undefined],
    ["server.py", undefined],
    [".env", undefined],
    ["data", undefined],
  ];
  for (const [name, path] of rows) equal(entryPath(name, "file"), path, name);
  equal(entryPath("data/home%2Fx/", "directory"), undefined);
});

Deno.test("entryPath() refuses names that could lead out of the folder", () => {
  const names = [
    "/etc/passwd",
    "//server/share",
    "../x/universe.db",
    "data/../../x/universe.db",
    "data/home/../.key",
    "data/..",
    "..",
    "",
    "data//universe.db",
    "C:/x/universe.db",
    "c:x",
    "data\\..\\x",
    "data/a\0b/universe.db",
    "data/a\nb/universe.db",
    "data/\ud800/universe.db",
  ];
  for (const name of names) {
    throws(() => entryPath(name, "file"), ArchiveRefused, JSON.stringify(name));
    throws(() => entryPath(name, "directory"), ArchiveRefused, JSON.stringify(name));
  }
});

Deno.test("entryPath() refuses whatever is neither a file nor a folder", () => {
  for (const type of ["symlink", "link", "fifo", "character-device", "block-device"]) {
    throws(() => entryPath("data/home%2Fx/universe.db", type), /it is a [a-z-]+; files alone/);
  }
});
