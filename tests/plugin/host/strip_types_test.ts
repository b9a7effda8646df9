import { assert, assertEquals, assertMatch, assertRejects } from "../../support/assert.ts";
import { createStripTypes } from "../../../lib/plugin/host/strip_types.ts";
import { CellEndedError } from "../../../lib/plugin/cell/cell_run.ts";
import { LAUNCHES, SHORT } from "../cell_fixture.ts";

const strip = createStripTypes(LAUNCHES.process, SHORT, Date.now);

Deno.test("createStripTypes() removes types and keeps the line numbers", async () => {
  const stripped = await strip("interface A { x: number }\nexport const a: A = { x: 1 };\n");
  assertEquals(stripped.split("\n").length, 3);
  assertMatch(stripped, /\nexport const a\s+= \{ x: 1 \};/);
  const long = `const a: string = "${"\u00e9".repeat(400_000)}";`;
  assertEquals((await strip(long)).length, long.length);
});

Deno.test("createStripTypes() rejects with the construct that is more than a type", async () => {
  await assertRejects(strip("enum A { B }"), /TypeScript enum is not supported/);
});

Deno.test("createStripTypes() rejects for a source that is nested too deeply, and the server continues", async () => {
  await assertRejects(strip(`let x: ${"A<".repeat(100_000)}`), (error) => {
    assert(error instanceof CellEndedError, String(error));
    return error.kind === "crash";
  });
});
