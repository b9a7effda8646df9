import { assert, assertEquals, assertMatch } from "../support/assert.ts";
import { findFileFault, readRegularFile } from "../../lib/base/regular_file.ts";
import { withTempFolder } from "../support/temp_folder.ts";

const posix = Deno.build.os !== "windows";

Deno.test("readRegularFile() reads a file and follows a link to it", () =>
  withTempFolder((folder) => {
    const path = `${folder}/a`;
    assertEquals(readRegularFile(path, 3), undefined);
    Deno.writeTextFileSync(path, "abc");
    assertEquals(readRegularFile(path, 3), new TextEncoder().encode("abc"));
    assertEquals(readRegularFile(path, 2), { reason: "it has 3 bytes; at most 2 are possible" });
    Deno.symlinkSync(path, `${folder}/link`);
    assertEquals(readRegularFile(`${folder}/link`, 3), new TextEncoder().encode("abc"));
    Deno.writeTextFileSync(path, "");
    assertEquals(readRegularFile(path, 2), new Uint8Array());
  }));

Deno.test("findFileFault() names every entry that is not a regular file", () =>
  withTempFolder((folder) => {
    const reasonOf = (path: string) => findFileFault(path)?.reason ?? "";
    Deno.mkdirSync(`${folder}/dir`);
    assertEquals(reasonOf(`${folder}/dir`), "it is a folder, not a file");
    if (!posix) return; // Windows has no such entries
    assertEquals(reasonOf("/dev/zero"), "it is a device, not a file");
    Deno.symlinkSync("missing", `${folder}/dangling`);
    assertEquals(reasonOf(`${folder}/dangling`), "it is a link to a file that does not exist");
    Deno.symlinkSync("loop", `${folder}/loop`);
    assertEquals(reasonOf(`${folder}/loop`), "it is a link that leads to itself");
    assertEquals(reasonOf("/dev/null/x"), "a part of its path is not a folder");
    using _socket = Deno.listen({ transport: "unix", path: `${folder}/s` });
    assertEquals(reasonOf(`${folder}/s`), "it is a socket, not a file");
    const { success } = new Deno.Command("mkfifo", { args: [`${folder}/pipe`] }).outputSync();
    assert(success);
    assertEquals(reasonOf(`${folder}/pipe`), "it is a named pipe, not a file");
    assertEquals(readRegularFile(`${folder}/pipe`, 9)?.constructor, Object);
    assertMatch(reasonOf(`${folder}/${"x".repeat(300)}`), /^its name is too long$/);
  }));
