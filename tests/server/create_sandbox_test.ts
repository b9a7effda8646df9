import { assertEquals, assertStrictEquals } from "../support/assert.ts";
import { cellMainUrl } from "../../lib/server/create_sandbox.ts";

Deno.test("cellMainUrl() returns the cells' own module in a checkout, otherwise the main module", async () => {
  const own = new URL("../../lib/plugin/transport/cell_main.ts", import.meta.url).href;
  assertStrictEquals(cellMainUrl(new URL("../../main.ts", import.meta.url).href), own);
  assertEquals((await Deno.stat(new URL(own))).isFile, true);
  for (const url of ["https://seed.test/main.ts", "http://127.0.0.1:1/main.ts"]) {
    assertStrictEquals(cellMainUrl(url), url);
  }
  assertEquals(cellMainUrl("file:///opt/elastik.mjs", true), "file:///opt/elastik.mjs");
});
