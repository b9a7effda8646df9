import { sizeOnDisk } from "../../../lib/world/file/size_on_disk.ts";
import { assert, assertEquals } from "../../support/assert.ts";
import { withTempFolder } from "../../support/temp_folder.ts";

Deno.test("sizeOnDisk() adds up the file of a world and its log", () =>
  withTempFolder(async (folder) => {
    assertEquals(sizeOnDisk(`${folder}/none`), 0);
    // A log without a world is not one of a world.
    await Deno.writeTextFile(`${folder}/universe.db-wal`, "x");
    assertEquals(sizeOnDisk(folder), 0);
    await Deno.writeFile(`${folder}/universe.db`, new Uint8Array(10_000));
    await Deno.writeFile(`${folder}/universe.db-wal`, new Uint8Array(50_000));
    const size = sizeOnDisk(folder);
    assert(size >= 60_000 && size < 100_000, `${size}`);
  }));
