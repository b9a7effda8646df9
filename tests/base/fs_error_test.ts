import { assertEquals, assertThrows } from "../support/assert.ts";
import { explainFsError } from "../../lib/base/fs_error.ts";
import { withTempFolder } from "../support/temp_folder.ts";

Deno.test("explainFsError() names the reason without the number of the system", () =>
  withTempFolder((folder) => {
    Deno.writeTextFileSync(`${folder}/file`, "");
    const rows: readonly [() => unknown, string][] = [
      [() => Deno.statSync(`${folder}/none`), "there is no such file or folder"],
      [() => [...Deno.readDirSync(`${folder}/file`)], "it is a file or is inside a file"],
      [() => Deno.mkdirSync(`${folder}/file`), "a file of this name exists"],
      [() => Deno.statSync(`${folder}/${"x".repeat(300)}`), "its name is too long"],
    ];
    for (const [act, reason] of rows) {
      assertThrows(act, (error) => explainFsError(error) === reason);
    }
    assertEquals(explainFsError(new Error("Odd (os error 99): open 'x'")), "Odd");
    assertEquals(explainFsError("text"), "text");
  }));
