import { assert, assertEquals, assertMatch, assertStrictEquals } from "../support/assert.ts";
import { MAX_FOLDER_BYTES } from "../../lib/limits.ts";
import {
  fromFolderName,
  isInNamespace,
  nameFault,
  namespaceOf,
  NAMESPACES,
  toFolderName,
} from "../../lib/world/name.ts";

Deno.test("NAMESPACES has the six namespaces of worlds", () => {
  assertEquals([...NAMESPACES], ["home", "etc", "usr", "var", "boot", "lib"]);
});

Deno.test("namespaceOf() returns the first segment", () => {
  assertEquals(namespaceOf("home/a/b"), "home");
  assertEquals(namespaceOf("home"), "home");
  assertEquals(namespaceOf(""), "");
  assertEquals(namespaceOf("home/etc/shadow"), "home");
});

Deno.test("isInNamespace() is true only for the exact spelling of a namespace", () => {
  for (const name of ["home", "home/x", "etc/passwd", "usr/a/b", "var/x", "boot/env", "lib/x"]) {
    assertEquals(isInNamespace(name), true, name);
  }
  for (
    const name of ["", "Home/x", "HOME", "homes/x", "hom", "etc2/x", " home/x", "proc/x", "dev"]
  ) {
    assertEquals(isInNamespace(name), false, name);
  }
});

Deno.test("nameFault() returns undefined for valid names", () => {
  const names = [
    "home/x",
    "home/findings/x",
    "home/a.b.c",
    "home/.hidden",
    "home/..hidden",
    "home/...",
    "home/a/...b",
    "home/with space",
    "home/ leading",
    "home/100%",
    "home/%2F",
    "home/%2e%2e",
    "home/a#b",
    "home/a+b&c=d;e,f",
    "home/~user",
    "home/x@y!z$(1)'",
    "home/[1]{2}^`",
    "home/é",
    "home/张三/文件",
    "home/👩‍👩‍👧",
    "home/עברית",
    "home/-",
    "home/--help",
    "home/CON",
    "home/home",
    "etc/home/x",
    "lib/example",
    "boot/env",
    "var/cache/semantic/x",
    "usr/lib/shell/index.html",
  ];
  for (const name of names) assertEquals(nameFault(name), undefined, name);
});

Deno.test("nameFault() refuses names outside the namespaces", () => {
  for (
    const name of ["", "x", "proc/x", "dev/gpu", "Home/x", "homex", "/home/x", "data/x", "..", "."]
  ) {
    assertMatch(nameFault(name) ?? "", /is not in one of home, etc/, name);
  }
});

Deno.test("nameFault() refuses the name of a namespace", () => {
  for (const name of NAMESPACES) assertMatch(nameFault(name) ?? "", /cannot be a world/, name);
});

Deno.test("nameFault() reports each character that is not allowed", () => {
  for (const char of '\\:*?"<>|') {
    for (const name of [`home/${char}`, `home/a${char}b`, `home/a/b${char}`, `home/é${char}`]) {
      assertEquals(nameFault(name), `it contains the character ${char}`, name);
    }
  }
});

Deno.test("nameFault() refuses each control character and line separator without quoting it", () => {
  const codes = [0x2028, 0x2029];
  for (let code = 0; code < 0x20; code++) codes.push(code);
  for (let code = 0x7f; code < 0xa0; code++) codes.push(code);
  for (const code of codes) {
    const fault = nameFault(`home/a${String.fromCharCode(code)}b`);
    assertEquals(fault, "it contains a control character", code.toString(16));
  }
});

Deno.test("nameFault() refuses dot segments and empty segments", () => {
  for (
    const name of ["home/.", "home/..", "home/../etc/shadow", "home/a/./b", "home/a/..", "lib/.."]
  ) {
    assertEquals(nameFault(name), "it contains a dot segment", name);
  }
  for (const name of ["home/", "home//x", "home/x/", "home/é//x", "home/é/"]) {
    assertEquals(nameFault(name), "it contains an empty segment", name);
  }
});

Deno.test("nameFault() refuses names that are not in NFC or not well-formed", () => {
  for (
    const name of ["home/e\u0301", "home/\u212b", "home/\u037e", "home/\u1100\u1161", "home/\ud800"]
  ) {
    assertEquals(nameFault(name), "it is not in NFC", name);
  }
});

Deno.test("nameFault() allows a folder of 255 bytes and refuses one of 256", () => {
  const grow: [string, (bytes: number) => string][] = [
    ["plain", (bytes) => "home/" + "a".repeat(bytes - "home%2F".length)],
    ["slashes", (bytes) => "home" + "/a".repeat((bytes - 4) >> 2) + "b".repeat((bytes - 4) & 3)],
    ["percent", (bytes) => "home/" + "%".repeat(80) + "a".repeat(bytes - 240 - 7)],
    ["UTF-8", (bytes) => "home/" + "文".repeat(80) + "a".repeat(bytes - 240 - 7)],
  ];
  for (const [kind, name] of grow) {
    const fits = name(MAX_FOLDER_BYTES);
    const past = name(MAX_FOLDER_BYTES + 1);
    assertEquals(new TextEncoder().encode(toFolderName(fits)).length, 255, kind);
    assertEquals(nameFault(fits), undefined, kind);
    assertMatch(nameFault(past) ?? "", /is 256 bytes long; at most 255 are allowed/, kind);
  }
});

Deno.test("nameFault() measures the folder name of a short name with many slashes", () => {
  const name = "home" + "/a".repeat(90);
  assert(name.length < 200);
  assertMatch(nameFault(name) ?? "", /its folder name is 364 bytes long/);
});

Deno.test("toFolderName() encodes only % as %25 and / as %2F", () => {
  assertEquals(toFolderName("home/findings/x"), "home%2Ffindings%2Fx");
  assertEquals(toFolderName("home/100%"), "home%2F100%25");
  assertEquals(toFolderName("home/%2F"), "home%2F%252F");
  assertEquals(toFolderName("home/é &+"), "home%2Fé &+");
});

Deno.test("fromFolderName() is the inverse of toFolderName()", () => {
  const names = [
    "home/x",
    "home/%",
    "home/%2F",
    "home/%25",
    "home/%252F/%2f",
    "etc/a/b/c",
    "home/é",
  ];
  for (const name of names) assertStrictEquals(fromFolderName(toFolderName(name)), name);
});

Deno.test("fromFolderName() returns undefined for folders that toFolderName() never returns", () => {
  const folders = [
    "",
    ".",
    "..",
    ".trash",
    "home",
    "home%2F",
    "home%2fx",
    "home%2Fx%2fy",
    "home%2Fx%",
    "home%2Fx%41",
    "home/x",
    "home%2F..%2Fetc",
    "home%2F%2Fx",
    "home%2Fx%2F",
    "%2Fhome%2Fx",
    "lost+found",
    "proc%2Fx",
    "home%2Fa:b",
    "home%2Fe\u0301",
    "catalog.json",
  ];
  for (const folder of folders) assertEquals(fromFolderName(folder), undefined, folder);
});
