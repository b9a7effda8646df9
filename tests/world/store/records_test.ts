import { deepStrictEqual as equal } from "node:assert/strict";
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

Deno.test("toWorld() reads the metadata from the file, or takes what is known", () => {
  equal(toWorld("home/x", FOUND).meta, [["x-meta-a", "1"]]);
  equal(toWorld("home/x", FOUND, []).meta, []);
  equal(toWorld("home/x", FOUND).layer, "upper");
});

Deno.test("toWorld() lets no extension through that a hand has made of a header", () => {
  for (const ext of ["", "a b", "html\r\nset-cookie: x", "x".repeat(99), "../x"]) {
    equal(toWorld("home/x", { ...FOUND, ext }).ext, "bin", JSON.stringify(ext));
  }
});

Deno.test("toEntry() and toUpperEntry() show what a listing knows, and nothing else", () => {
  const entry = {
    name: "home/x",
    version: 3,
    ext: "md",
    len: 3,
    state: "",
    updatedAt: "2026-01-01T00:00:00.000Z",
    layer: "upper",
  };
  equal(toEntry(toWorld("home/x", FOUND)), entry);
  const row = { ...entry, mtime: 1, size: 2 };
  equal(toUpperEntry(row), entry);
});

Deno.test("unindexedEntry() stands for a world of no version yet", () => {
  equal([unindexedEntry("home/x").version, unindexedEntry("home/x").layer], [0, "upper"]);
});
