/** The pure modules for creating, selecting and sending worlds, which need no browser. */

import { assert, assertEquals } from "../support/assert.ts";
import { nameFor, titleOf } from "../../shell/create_world.js";
import { Selection } from "../../shell/select.js";
import { planUpload } from "../../shell/upload_plan.js";
import { zipNames } from "../../shell/zip_names.js";
import { allowedName, nameFault, numberedName } from "../../shell/world_name.js";
import { nameFault as serverFault } from "../../lib/world/name.ts";

Deno.test("nameFor() adds the suffix of the kind to a name that has none of its suffixes", () => {
  assertEquals(nameFor("note", " a/plan "), "a/plan.md");
  assertEquals(nameFor("note", "plan.TXT"), "plan.TXT");
  assertEquals(nameFor("note", "version 1.2"), "version 1.2.md");
  assertEquals(nameFor("table", "/x.tsv/"), "x.tsv");
  assertEquals(nameFor("other", "x"), "x");
  assertEquals(nameFor("page", "  "), "");
});

Deno.test("titleOf() makes a title of the last segment", () => {
  assertEquals(titleOf("home/a/shopping-list_2.md"), "Shopping list 2");
  assertEquals(titleOf("home/übung.md"), "Übung");
});

Deno.test("nameFault() of the shell refuses what the server refuses", () => {
  const names = [
    ...["home/a", "home/a b/ä", "home/a//b", "home/a/", "home/..", "home/./a", "home/a:b"],
    ...["home/a\\b", 'home/"', "home/<", "home/>", "home/|", "home/?", "home/*", "home/a\tb"],
    ...["home/a\u2028b", "home/a\u0085", `home/${"a".repeat(250)}`, `home/${"a".repeat(248)}`],
    ...[`home/${"a/".repeat(80)}a`, `home/${"ä".repeat(125)}`, "home/...", "home/100%"],
  ];
  for (const name of names) {
    assertEquals(nameFault(name) === undefined, serverFault(name) === undefined, name);
  }
});

Deno.test("allowedName() replaces what the server refuses", () => {
  for (const name of ["a:b/c?.txt", "../x", "a\u0000b", "a//b", "e\u0301"]) {
    assertEquals(nameFault(`home/${allowedName(name)}`), undefined, name);
  }
  assertEquals(allowedName("a:b/c?.txt"), "a-b/c-.txt");
});

Deno.test("numberedName() keeps the suffix", () => {
  assertEquals(numberedName("a.b/c.csv", 2), "a.b/c (2).csv");
  assertEquals(numberedName("a.b/c", 3), "a.b/c (3)");
  assertEquals(numberedName("a/.env", 2), "a/.env (2)");
});

Deno.test("planUpload() leaves out large files, and never gives two files one name", () => {
  const file = (size: number) => ({ size });
  const plan = planUpload(
    [
      { path: "d/a:b.txt", file: file(1) },
      { path: "d/a-b.txt", file: file(2) },
      { path: "d/.DS_Store", file: file(3) },
      { path: "big", file: file(101) },
      { path: "limit", file: file(100) },
      { path: "x".repeat(300), file: file(1) },
    ],
    "home/in",
    100,
  );
  assertEquals(plan.ready.map(({ name }: { name: string }) => name), [
    "home/in/d/a-b.txt",
    "home/in/d/a-b (2).txt",
    "home/in/limit",
  ]);
  assertEquals(plan.renamed, [
    { path: "d/a:b.txt", name: "d/a-b.txt" },
    { path: "d/a-b.txt", name: "d/a-b (2).txt" },
  ]);
  assertEquals(plan.tooLarge, ["big"]);
  assert(plan.refused[0]?.fault.includes("bytes too long"));
  assertEquals(plan.bytes, 103);
});

Deno.test("Selection extends from the last row, and forgets rows that are gone", () => {
  let changes = 0;
  const selection = new Selection(() => changes += 1);
  const order = ["a", "b", "c", "d"];
  selection.toggle("d");
  selection.extend("b", order);
  assertEquals(selection.names.sort(), ["b", "c", "d"]);
  selection.toggle("c");
  selection.keep((name: string) => name !== "b");
  assertEquals(selection.names, ["d"]);
  assertEquals(changes, 4);
});

Deno.test("zipNames() gives each world a path that Windows accepts", () => {
  const worlds = [
    { name: "home/a/con.txt", ext: "txt" },
    { name: "home/a/CON/Aux", ext: "md" },
    { name: "home/a/note", ext: "md" },
    { name: "home/a/note/below.txt", ext: "txt" },
    { name: "home/a/raw", ext: "bin" },
    { name: "home/a/raw/below.txt", ext: "txt" },
    { name: "home/a/Read.me", ext: "md" },
    { name: "home/a/read.ME", ext: "md" },
    { name: "home/a/dots...", ext: "txt" },
    { name: "home/a/.env", ext: "txt" },
    { name: "home/a/console.txt", ext: "txt" },
  ];
  assertEquals(zipNames(worlds, "home/a"), [
    "con_.txt",
    "CON_/Aux_.md",
    "note.md",
    "note/below.txt",
    "raw (2)",
    "raw/below.txt",
    "Read.me",
    "read (2).ME",
    "dots___.txt",
    ".env.txt",
    "console.txt",
  ]);
  assertEquals(zipNames([{ name: "home/x.md", ext: "md" }], ""), ["home/x.md"]);
});
