import { assertEquals, assertStrictEquals, assertThrows } from "../../../support/assert.ts";
import { chooseFormat, FORMATS } from "../../../../plugins/db/formats/format.ts";

const CASES: readonly (readonly [accept: string | null, format: keyof typeof FORMATS])[] = [
  [null, "json"],
  ["*/*", "json"],
  ["application/*", "json"],
  ["text/html,application/xhtml+xml,*/*;q=0.8", "json"],
  ["text/csv", "csv"],
  ["text/*", "table"],
  ["text/plain, application/json;q=0.5", "table"],
  ["text/plain;q=0, text/*", "csv"],
  ["application/x-ndjson", "ndjson"],
  ["application/ndjson", "ndjson"],
  ["application/jsonl, application/json;q=0", "ndjson"],
];

for (const [accept, format] of CASES) {
  Deno.test(`chooseFormat() chooses ${format} for ${accept}`, () => {
    assertStrictEquals(chooseFormat(accept), format);
  });
}

Deno.test("chooseFormat() answers 406 if Accept allows no format", () => {
  for (const accept of ["text/html", "image/*", "application/json;q=0"]) {
    assertThrows(() => chooseFormat(accept), { status: 406 });
  }
});

Deno.test("FORMATS write every format with its Content-Type", () => {
  const result = { columns: ["a"], rows: [[1]], truncated: false };
  assertEquals(FORMATS.json.write(result), '[\n{"a":1}\n]\n');
  assertEquals(FORMATS.ndjson.write(result), '{"a":1}\n');
  assertEquals(FORMATS.csv.write(result), "a\r\n1\r\n");
  assertEquals(FORMATS.table.write(result), "a\n-\n1\n");
  assertEquals(FORMATS.csv.type, "text/csv; charset=utf-8; header=present");
});
