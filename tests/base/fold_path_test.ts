import { assertEquals, assertStrictEquals } from "../support/assert.ts";
import { foldPath } from "../../lib/base/fold_path.ts";

Deno.test("foldPath() returns one form for spellings that some file systems do not distinguish", () => {
  for (
    const path of [
      "/etc/shadow",
      "/ETC/Shadow",
      "/etc/\u017fhadow",
      "/etc/sha\u200cdow",
      "/etc/shadow.",
      "/etc/shadow . .",
      "/etc/shadow\u00ad",
    ]
  ) assertStrictEquals(foldPath(path), "/etc/shadow", JSON.stringify(path));
  assertEquals(foldPath("/etc/f\ufb06ab"), "/etc/fstab");
  assertEquals(foldPath("/home/stra\u00dfe"), "/home/strasse");
});

Deno.test("foldPath() keeps all other differences", () => {
  for (const path of ["/", "/etc/shadow2", "/etc/.shadow", "/etc/sha dow", "/home/\u00e9"]) {
    assertStrictEquals(foldPath(path), path);
  }
  assertStrictEquals(foldPath("/."), "/");
});
