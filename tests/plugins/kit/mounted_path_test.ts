import { assertEquals } from "../../support/assert.ts";
import { findOtherSpelling } from "../../../plugins/kit/mounted_path.ts";

const NFC = "\u00fc";
const NFD = "u\u0308";

/** A disk with folders in NFD. */
const FOLDERS: Readonly<Record<string, readonly string[]>> = {
  "/srv": ["plain", NFD],
  [`/srv/${NFD}`]: [`${NFD}.db`, "a"],
};
const files = {
  list(path: string): Promise<{ name: string }[]> {
    const names = FOLDERS[path];
    if (names === undefined) return Promise.reject(new Error(`${path} cannot be listed`));
    return Promise.resolve(names.map((name) => ({ name })));
  },
};

Deno.test("findOtherSpelling() finds names that are in NFD on the disk", async () => {
  assertEquals(
    await findOtherSpelling(files, "/srv", [NFC, `${NFC}.db`]),
    `/srv/${NFD}/${NFD}.db`,
  );
  assertEquals(await findOtherSpelling(files, "/srv", [NFC, "a"]), `/srv/${NFD}/a`);
});

Deno.test("findOtherSpelling() returns undefined if no entry has the name", async () => {
  assertEquals(await findOtherSpelling(files, "/srv", [NFC, "b"]), undefined);
  assertEquals(await findOtherSpelling(files, "/srv", ["\u00e9"]), undefined);
});

Deno.test("findOtherSpelling() returns undefined if a folder cannot be listed", async () => {
  assertEquals(await findOtherSpelling(files, "/other", [NFC]), undefined);
  assertEquals(await findOtherSpelling(files, "/srv", ["plain", NFC]), undefined);
});

Deno.test("findOtherSpelling() lists nothing for a path in ASCII", async () => {
  const none = { list: () => Promise.reject(new Error("listed")) };
  assertEquals(await findOtherSpelling(none, "/srv", ["plain"]), undefined);
});
