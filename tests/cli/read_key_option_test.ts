import { assertEquals, assertThrows, errorWith } from "../support/assert.ts";
import { UsageError } from "../../lib/cli/parse_args.ts";
import { readKeyOption } from "../../lib/cli/read_key_option.ts";
import { withTempFolder } from "../support/temp_folder.ts";

Deno.test("readKeyOption() returns the text, or the text of a file", () =>
  withTempFolder((folder) => {
    assertEquals(readKeyOption(undefined), undefined);
    assertEquals(readKeyOption("abc"), { key: "abc", retired: [] });
    Deno.writeTextFileSync(`${folder}/key`, "  secret\n");
    assertEquals(readKeyOption(`@${folder}/key`), { key: "secret", retired: [] });
    Deno.writeTextFileSync(`${folder}/keys`, "first\r\nsecond\n\nthird");
    assertEquals(readKeyOption(`@${folder}/keys`), { key: "third", retired: ["first", "second"] });
    Deno.writeTextFileSync(`${folder}/empty`, "\n");
    for (
      const [file, why] of [["empty", "no text"], ["none", "no such file"], ["", "folder"]] as const
    ) {
      assertThrows(() => readKeyOption(`@${folder}/${file}`), errorWith(UsageError, why));
    }
  }));
