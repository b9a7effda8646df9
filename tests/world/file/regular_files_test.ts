import { assertThrows } from "../../support/assert.ts";
import { assertRegularFiles } from "../../../lib/world/file/regular_files.ts";
import { withTempFolder } from "../../support/temp_folder.ts";

Deno.test("assertRegularFiles() accepts files that exist or not, and names any other entry", () =>
  withTempFolder((folder) => {
    const path = `${folder}/universe.db`;
    assertRegularFiles(path);
    Deno.writeTextFileSync(path, "x");
    Deno.writeTextFileSync(`${path}-wal`, "");
    assertRegularFiles(path);
    for (const end of ["-shm", "-journal"]) {
      Deno.mkdirSync(`${path}${end}`);
      assertThrows(
        () => assertRegularFiles(path),
        new RegExp(`^Error: universe\\.db${end} cannot be used: it is a folder, not a file$`),
      );
      Deno.removeSync(`${path}${end}`);
    }
  }));
