import { assertEquals } from "../support/assert.ts";
import { readEnvText } from "../../lib/base/read_env_text.ts";
import { withTempFolder } from "../support/temp_folder.ts";

Deno.test("readEnvText() returns the text, undefined without a file, and else the reason", () =>
  withTempFolder(async (folder) => {
    const path = `${folder}/.env`;
    assertEquals(readEnvText(path), undefined);
    await Deno.symlink(`${folder}/absent`, path);
    assertEquals(readEnvText(path), { reason: "it is a link to a file that does not exist" });
    await Deno.remove(path);
    await Deno.writeTextFile(path, "\ufeffA=1\n");
    assertEquals(readEnvText(path), "A=1\n");
    await Deno.writeFile(path, new Uint8Array([0x41, 0x3d, 0xff]));
    assertEquals(readEnvText(path), {
      reason: "it is not text in UTF-8, or in UTF-16 with a byte order mark",
    });
    await Deno.remove(path);
    await Deno.mkdir(path);
    assertEquals(readEnvText(path), { reason: "it is not a file; settings are read from a file" });
  }));
