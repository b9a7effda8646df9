import { deepStrictEqual as equal } from "node:assert/strict";
import { setJournalFormat } from "../../lib/world/sqlite_header.ts";

Deno.test("setJournalFormat() changes the two format bytes and no others", () => {
  const image = new Uint8Array(100);
  setJournalFormat(image, "wal");
  equal([...image.keys()].filter((at) => image[at] !== 0), [18, 19]);
  equal([image[18], image[19]], [2, 2]);
  setJournalFormat(image, "rollback");
  equal([image[18], image[19]], [1, 1]);
});

Deno.test("setJournalFormat() leaves an image without a whole header as it is", () => {
  for (const length of [0, 18]) {
    const image = new Uint8Array(length);
    setJournalFormat(image, "wal");
    equal(image, new Uint8Array(length));
  }
});
