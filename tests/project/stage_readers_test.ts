/**
 * The row of a world can be some seconds older than the world, because appended bytes are written to
 * it later (`lib/world/file/piece_table.ts`). Code that reads the row itself would show an old version
 * at random. Each file that names the row is listed here, with the reason why it may.
 */

import { assertEquals } from "../support/assert.ts";
import { readSources } from "../support/read_sources.ts";

/** Files of the program that may name the row or the statements that read it. */
const ALLOWED: Readonly<Record<string, string>> = {
  "lib/archive/import_world.ts": "the row of elastik v5, which has no pieces",
  "lib/archive/same_world.ts": "the column that readStage returns",
  "lib/archive/untrusted_world.ts": "names of tables",
  "lib/archive/v5_world.ts": "the row of elastik v5, which has no pieces",
  "lib/archive/world_at.ts": "the column that readStage returns",
  "lib/response/representation.ts": "a field of the JSON of a world",
  "lib/world/file/new_world_image.ts": "empties the tables of a new world",
  "lib/world/file/read_stage.ts": "joins the row and its pieces",
  "lib/world/file/sql.ts": "the statements",
  "lib/world/file/verify_world.ts": "the column that readStage returns",
  "lib/world/file/world_copy.ts": "writes the row of a copy, which has no pieces",
  "lib/world/file/world_file.ts": "joins the row and its pieces, and writes both",
  "lib/world/postgres/import_world.ts": "the column that readStage returns",
  "lib/world/postgres/stored_copy.ts": "the bytes of a world of a database",
  "lib/world/worker/reader.ts": "the column that readStage returns",
};
const ROW = /\bstage_(?:html|meta)\b|\bSELECT_(?:STAGE|ROW|BODY)\b/;

Deno.test("lib reads the row of a world only together with its pieces", async () => {
  const found: string[] = [];
  for (const [path, text] of await readSources("lib/")) if (ROW.test(text)) found.push(path);
  assertEquals(found.sort(), Object.keys(ALLOWED).sort());
});
