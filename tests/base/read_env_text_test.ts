import { assertEquals } from "../support/assert.ts";
import { findMisnamedEnv, readEnvText } from "../../lib/base/read_env_text.ts";
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
    assertEquals(readEnvText(path), { reason: "it is a folder, not a file" });
  }));

Deno.test("findMisnamedEnv() finds a file of another name that assigns a setting", () =>
  withTempFolder((folder) => {
    const find = () => findMisnamedEnv(folder, (name) => name === "ELASTIK_PORT");
    assertEquals(find(), undefined);
    for (
      const [name, text] of [
        [".env.txt", "ELASTIK_TOKEN=a\n"],
        [".env.txt", "\ufeff# settings\r\nexport elastik_token = a\r\n"],
        ["env", "OTHER=1\nELASTIK_DATA: x\n"],
        [".env.rtf", "{\\rtf1 \\f0 ELASTIK_TOKEN=a\\}"],
        [".ENV", "ELASTIK_PORT=1\nELASTIK_KEY=a"],
        [".env.local", "$env:ELASTIK_TOKEN='a'"],
      ] as const
    ) {
      Deno.writeTextFileSync(`${folder}/${name}`, text);
      assertEquals(find(), name, text);
      Deno.removeSync(`${folder}/${name}`);
    }
  }));

Deno.test("findMisnamedEnv() ignores files without settings, examples, and settings in effect", () =>
  withTempFolder((folder) => {
    Deno.mkdirSync(`${folder}/env`);
    Deno.writeTextFileSync(`${folder}/.env.example`, "ELASTIK_TOKEN=a\n");
    Deno.writeTextFileSync(`${folder}/.env.txt`, "# ELASTIK_TOKEN=a\nOTHER=ELASTIK\n");
    Deno.writeTextFileSync(
      `${folder}/.env.local`,
      "ELASTIK_PORT=1\nDB=postgres://elastik_node:pw@db/x\n",
    );
    assertEquals(findMisnamedEnv(folder, (name) => name === "ELASTIK_PORT"), undefined);
  }));
