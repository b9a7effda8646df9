import { assertEquals, assertMatch, assertStrictEquals } from "../../../support/assert.ts";
import { formatTable } from "../../../../plugins/db/formats/table.ts";

Deno.test("formatTable() aligns columns, with numbers on the right", () => {
  const rows = [[1, "é你", new Uint8Array([1])], [200, "\u001b[2J\n", null], [null, "z", null]];
  assertStrictEquals(
    formatTable({ columns: ["n", "word", "b"], rows, truncated: false }),
    [
      "   n  word         b",
      "----  -----------  -----",
      "   1  é你          x'01'",
      " 200  \\u{1b}[2J\\n  NULL",
      "NULL  z            NULL",
      "",
    ].join("\n"),
  );
});

Deno.test("formatTable() escapes terminal controls and direction marks", () => {
  const rows = [["\t\r\u202e\u2028\u009b"]];
  assertMatch(
    formatTable({ columns: ["a"], rows, truncated: false }),
    /\n\\t\\r\\u\{202e\}\\u\{2028\}\\u\{9b\}\n$/,
  );
});

Deno.test("formatTable() shortens long texts and bytes to 200 characters", () => {
  const rows = [["x".repeat(201), new Uint8Array(300), "\u{1f600}".repeat(150)]];
  const line = formatTable({ columns: ["a", "b", "c"], rows, truncated: false }).split("\n")[2];
  const [text = "", bytes = "", emoji = ""] = (line ?? "").split("  ");
  assertEquals(text, `${"x".repeat(199)}…`);
  assertEquals([...bytes].length, 200);
  assertEquals(emoji, `${"\u{1f600}".repeat(100)}…`);
});

Deno.test("formatTable() says if there are more rows", () => {
  assertMatch(
    formatTable({ columns: ["a"], rows: [[1], [2]], truncated: true }),
    /\n\(the first 2 rows; there are more\)\n$/,
  );
});
