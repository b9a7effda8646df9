import { equal } from "node:assert/strict";
import { cellMain } from "../../lib/server/create_plugin_host.ts";

Deno.test("cellMain() is the cells' own door in a checkout, and the machine's one where there is no other", async () => {
  const own = new URL("../../lib/plugin/transport/cell_main.ts", import.meta.url).href;
  equal(cellMain(new URL("../../main.ts", import.meta.url).href), own);
  equal((await Deno.stat(new URL(own))).isFile, true);
  for (const url of ["https://seed.test/main.ts", "http://127.0.0.1:1/main.ts"]) {
    equal(cellMain(url), url);
  }
  equal(cellMain("file:///opt/elastik.mjs", true), "file:///opt/elastik.mjs");
});
