import { assertEquals } from "../../../support/assert.ts";
import { assertLinear } from "../../../support/growth.ts";
import { findCsvFault } from "../../../../plugins/semantic/formats/csv.ts";

Deno.test("findCsvFault() accepts tables as RFC 4180 defines them", () => {
  for (
    const text of [
      "a,b\n1,2",
      "a,b\n1,2\n",
      'a,b\n"1,""x""\n2",2',
      'a,b\n1,"x\ny"',
      "a,b\n,\n",
      'a,b\n"",""',
      "name\nada\nbob",
    ]
  ) {
    assertEquals(findCsvFault(text), undefined, JSON.stringify(text));
  }
});

Deno.test("findCsvFault() names the departure from RFC 4180", () => {
  const rows: [text: string, fault: string][] = [
    ["a,b\n1", "line 2 has 1 fields and the header has 2"],
    ["a,b\n1,2\n1,2,3", "line 3 has 3 fields and the header has 2"],
    ['a,b\n"1,2', "a quoted field is not closed"],
    ['a,b\n1"x,2', "an unquoted field contains a quote"],
    ['a,b\n"1"x,2', "text follows a closing quote"],
    ["a,b", "no line follows the header"],
    ["I cannot make a table of this.", "no line follows the header"],
  ];
  for (const [text, fault] of rows) assertEquals(findCsvFault(text), fault, JSON.stringify(text));
});

Deno.test("findCsvFault() refuses a single column of sentences or Markdown", () => {
  for (
    const text of [
      "Here it is:\nname\nada",
      "| a | b |\n|---|---|\n| 1 | 2 |",
      "- one\n- two",
      "# Title\nx",
      "name\nDone!",
    ]
  ) {
    assertEquals(findCsvFault(text), "its single column contains sentences or Markdown", text);
  }
});

Deno.test("findCsvFault() reads quotes and words in linear time", () => {
  assertLinear((length) => findCsvFault(`"${'"'.repeat(length)}`), 1_000_000);
  assertLinear((length) => findCsvFault(`a\n${" x".repeat(length / 2)}`), 1_000_000);
});
