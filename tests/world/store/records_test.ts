import { assertEquals } from "../../support/assert.ts";
import {
  toEntry,
  toUpperEntry,
  toWorld,
  unindexedEntry,
} from "../../../lib/world/store/records.ts";

const FOUND = {
  version: 3,
  ext: "md",
  headers: '[["x-meta-a","1"]]',
  state: "",
  updatedAt: "2026-01-01T00:00:00.000Z",
  body: Uint8Array.of(1, 2, 3),
  sha256: "ab",
};

Deno.test("toWorld() parses the metadata of the row, or uses the given metadata", () => {
  assertEquals(toWorld("home/x", FOUND).meta, [["x-meta-a", "1"]]);
  assertEquals(toWorld("home/x", FOUND, []).meta, []);
  assertEquals(toWorld("home/x", FOUND).layer, "upper");
});

Deno.test("toWorld() replaces an invalid stored extension with bin", () => {
  for (const ext of ["", "a b", "html\r\nset-cookie: x", "x".repeat(99), "../x"]) {
    assertEquals(toWorld("home/x", { ...FOUND, ext }).ext, "bin", JSON.stringify(ext));
  }
});

Deno.test("toEntry() and toUpperEntry() return only the fields of a catalog entry", () => {
  const entry = {
    name: "home/x",
    version: 3,
    ext: "md",
    len: 3,
    state: "",
    updatedAt: "2026-01-01T00:00:00.000Z",
    layer: "upper",
    by: "",
    head: 0,
    headAt: "",
  };
  assertEquals(toEntry(toWorld("home/x", FOUND)), entry);
  const row = { ...entry, mtime: 1, size: 2 };
  assertEquals(toUpperEntry(row), entry);
});

Deno.test("unindexedEntry() returns an entry with version 0", () => {
  assertEquals([unindexedEntry("home/x").version, unindexedEntry("home/x").layer], [0, "upper"]);
});
