import { deepStrictEqual as equal, match, ok, rejects } from "node:assert/strict";
import { createStripTypes } from "../../../lib/plugin/host/strip_types.ts";
import { CellEndedError } from "../../../lib/plugin/cell/cell_run.ts";
import { LAUNCHES, SHORT } from "../cell_fixture.ts";

const strip = createStripTypes(LAUNCHES.process, SHORT, Date.now);

Deno.test("createStripTypes() removes types and keeps the line numbers", async () => {
  const stripped = await strip("interface A { x: number }\nexport const a: A = { x: 1 };\n");
  equal(stripped.split("\n").length, 3);
  match(stripped, /\nexport const a\s+= \{ x: 1 \};/);
  const long = `const a: string = "${"\u00e9".repeat(400_000)}";`;
  equal((await strip(long)).length, long.length);
});

Deno.test("createStripTypes() rejects with the construct that is more than a type", async () => {
  await rejects(strip("enum A { B }"), /TypeScript enum is not supported/);
});

Deno.test("createStripTypes() rejects for a source that is nested too deeply, and the server continues", async () => {
  await rejects(strip(`let x: ${"A<".repeat(100_000)}`), (error) => {
    ok(error instanceof CellEndedError, String(error));
    return error.kind === "crash";
  });
});
