import { assertEquals } from "../../../support/assert.ts";
import { formatJson, formatNdjson } from "../../../../plugins/db/formats/json.ts";

Deno.test("formatJson() keeps every column, its order and its value", () => {
  const result = {
    columns: ["b", "a", "b", "2", "__proto__", "n"],
    rows: [['x,"y"', null, new Uint8Array([0, 255]), 1.5, "two\nlines", Infinity]],
    truncated: false,
  };
  const row = `{"b":"x,\\"y\\"","a":null,"b_2":{"base64":"AP8="},"2":1.5,` +
    `"__proto__":"two\\nlines","n":"Infinity"}`;
  assertEquals(formatJson(result), `[\n${row}\n]\n`);
  assertEquals(formatNdjson(result), `${row}\n`);
});

Deno.test("formatJson() numbers columns with the same name and skips names that exist", () => {
  const result = { columns: ["a", "a_2", "a", "a"], rows: [[1, 2, 3, 4]], truncated: false };
  assertEquals(formatNdjson(result), '{"a":1,"a_2":2,"a_3":3,"a_4":4}\n');
});

Deno.test("formatJson() writes an empty array for no rows, and formatNdjson() writes nothing", () => {
  const result = { columns: ["a"], rows: [], truncated: false };
  assertEquals(formatJson(result), "[]\n");
  assertEquals(formatNdjson(result), "");
});
