import { assertEquals, assertStrictEquals } from "../../../support/assert.ts";
import { formatCsv } from "../../../../plugins/db/formats/csv.ts";

Deno.test("formatCsv() quotes as RFC 4180 requires and writes NULL and an empty text differently", () => {
  const result = {
    columns: ["plain", "a,b", ""],
    rows: [
      ["x", 'say "hi"', "two\nlines"],
      [null, "", " padded "],
      [1.5, Infinity, new Uint8Array([0, 255])],
    ],
    truncated: false,
  };
  assertStrictEquals(
    formatCsv(result),
    'plain,"a,b",""\r\n' +
      'x,"say ""hi""","two\nlines"\r\n' +
      ',""," padded "\r\n' +
      "1.5,Infinity,x'00ff'\r\n",
  );
});

Deno.test("formatCsv() writes the header line for no rows", () => {
  assertEquals(formatCsv({ columns: ["a", "b"], rows: [], truncated: false }), "a,b\r\n");
});
