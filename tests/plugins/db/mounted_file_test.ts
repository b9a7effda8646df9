import { assertEquals, assertMatch, assertThrows } from "../../support/assert.ts";
import { resolveFile } from "../../../plugins/db/mounted_file.ts";
import { readMountTable } from "../../../plugins/kit/mount_table.ts";

const TABLE = readMountTable("/srv/data /mnt/data ro\nhttps://h/ /mnt/web ro\npg://h /mnt/pg ro\n");

Deno.test("resolveFile() returns the folder of the mount and the segments below it", () => {
  const found = { folder: "/srv/data", segments: ["a b", "x.db"] };
  assertEquals(resolveFile("data/a b/x.db", TABLE), found);
  assertEquals(resolveFile("/data/a b/x.db", TABLE), found);
});

const FAULTS: readonly (readonly [file: string, status: number, words: RegExp])[] = [
  ["", 404, /nothing is mounted at \/mnt\/$/],
  ["other/x", 404, /nothing is mounted at \/mnt\/other$/],
  ["web/x", 400, /\/mnt\/web is mounted from https:\/\/; SQL needs a folder$/],
  ["pg/x", 400, /\/mnt\/pg is mounted from pg:\/\//],
  ["data", 400, /does not name a file below \/mnt\/data$/],
  ["data/", 400, /does not name a file/],
  ["data//x", 400, /does not name a file/],
  ["data/../x", 403, /its path contains `\.`, `\.\.`/],
  ["../data/x", 403, /its path contains/],
  ["data/./x", 403, /its path contains/],
  ["data/x\u0000", 403, /its path contains/],
  ["data/a\\x", 403, /its path contains/],
];

for (const [file, status, words] of FAULTS) {
  Deno.test(`resolveFile() answers ${status} to ${JSON.stringify(file)}`, () => {
    assertThrows(() => resolveFile(file, TABLE), (error: Error) => {
      assertMatch(error.message, words);
      assertEquals(error.message.includes("/srv"), false);
      return Reflect.get(error, "status") === status;
    });
  });
}
