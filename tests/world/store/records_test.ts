import { deepStrictEqual as equal } from "node:assert/strict";
import { entryOf, unknownEntry, upperEntry, worldOf } from "../../../lib/world/store/records.ts";

const FOUND = {
  version: 3,
  ext: "md",
  headers: '[["x-meta-a","1"]]',
  state: "",
  updatedAt: "2026-01-01T00:00:00.000Z",
  body: Uint8Array.of(1, 2, 3),
  sha256: "ab",
};

Deno.test("worldOf() reads the metadata from the file, or takes what is known", () => {
  equal(worldOf("home/x", FOUND).meta, [["x-meta-a", "1"]]);
  equal(worldOf("home/x", FOUND, []).meta, []);
  equal(worldOf("home/x", FOUND).layer, "upper");
});

Deno.test("worldOf() lets no extension through that a hand has made of a header", () => {
  for (const ext of ["", "a b", "html\r\nset-cookie: x", "x".repeat(99), "../x"]) {
    equal(worldOf("home/x", { ...FOUND, ext }).ext, "bin", JSON.stringify(ext));
  }
});

Deno.test("entryOf() and upperEntry() show what a listing knows, and nothing else", () => {
  const entry = {
    name: "home/x",
    version: 3,
    ext: "md",
    len: 3,
    state: "",
    updatedAt: "2026-01-01T00:00:00.000Z",
    layer: "upper",
  };
  equal(entryOf(worldOf("home/x", FOUND)), entry);
  const row = { ...entry, mtime: 1, size: 2 };
  equal(upperEntry(row), entry);
});

Deno.test("unknownEntry() stands for a world of no version yet", () => {
  equal([unknownEntry("home/x").version, unknownEntry("home/x").layer], [0, "upper"]);
});
