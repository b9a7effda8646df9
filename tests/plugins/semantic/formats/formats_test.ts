import { assertEquals } from "../../../support/assert.ts";
import { findFault, FORMATS } from "../../../../plugins/semantic/formats/formats.ts";

Deno.test("findFault() refuses an empty text in every format", () => {
  for (const format of FORMATS) assertEquals(findFault(format, ""), "it is empty", format.type);
});

Deno.test("findFault() refuses control characters before it checks the format", () => {
  for (const format of FORMATS) {
    assertEquals(findFault(format, "\x1b[2J"), "it contains control characters", format.type);
  }
});

Deno.test("findFault() applies the check of the format", () => {
  const json = FORMATS.find(({ type }) => type === "application/json");
  assertEquals(json && findFault(json, "{"), "it is not valid JSON");
  assertEquals(json && findFault(json, "{}"), undefined);
});

Deno.test("FORMATS have one entry for each media type", () => {
  assertEquals(new Set(FORMATS.map(({ type }) => type)).size, FORMATS.length);
});
