import { assertEquals, assertThrows } from "../../support/assert.ts";
import { probeFolder } from "../../../lib/world/file/probe_folder.ts";
import { withTempFolder } from "../../support/temp_folder.ts";

Deno.test("probeFolder() leaves no file, and throws if it cannot write", () =>
  withTempFolder((data) => {
    Deno.mkdirSync(`${data}/.incoming`);
    probeFolder(data);
    assertEquals(Array.from(Deno.readDirSync(`${data}/.incoming`)), []);
    Deno.removeSync(`${data}/.incoming`);
    assertThrows(() => probeFolder(data), { name: "NotFound" });
    return Promise.resolve();
  }));
