import { assertEquals, assertStrictEquals, assertThrows } from "../support/assert.ts";
import { ArchiveError, parseEntryPath } from "../../lib/archive/archive_entry.ts";

Deno.test("parseEntryPath() returns the paths that a data folder needs, with and without data/", () => {
  const rows: readonly [string, string | undefined][] = [
    ["data/home%2Fx/universe.db", "home%2Fx/universe.db"],
    ["./data/home%2Fx/universe.db-wal", "home%2Fx/universe.db-wal"],
    ["home%2Fx/universe.db", "home%2Fx/universe.db"],
    ["data/.key", ".key"],
    ["data/.key-retired", ".key-retired"],
    ["data/.key-retired.new", undefined],
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
  for (const [name, path] of rows) assertStrictEquals(parseEntryPath(name, "file"), path, name);
  assertEquals(parseEntryPath("data/home%2Fx/", "directory"), undefined);
});

Deno.test("parseEntryPath() throws for names that could leave the folder", () => {
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
    assertThrows(() => parseEntryPath(name, "file"), ArchiveError, JSON.stringify(name));
    assertThrows(() => parseEntryPath(name, "directory"), ArchiveError, JSON.stringify(name));
  }
});

Deno.test("parseEntryPath() throws for entries that are neither a file nor a directory", () => {
  for (const type of ["symlink", "link", "fifo", "character-device", "block-device"]) {
    assertThrows(
      () => parseEntryPath("data/home%2Fx/universe.db", type),
      /it is a [a-z-]+; only files/,
    );
  }
});
