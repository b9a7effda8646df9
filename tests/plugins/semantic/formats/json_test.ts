import { assertEquals } from "../../../support/assert.ts";
import { findJsonFault } from "../../../../plugins/semantic/formats/json.ts";

Deno.test("findJsonFault() accepts each kind of JSON value", () => {
  for (const text of ['{"a":1}', "[1]", '"x"', "3", "null", " true\n"]) {
    assertEquals(findJsonFault(text), undefined, text);
  }
});

Deno.test("findJsonFault() refuses a text that is not one JSON value", () => {
  for (
    const text of [
      "<html>I am JSON, trust me</html>",
      "Here you are:\n{}",
      "{'a':1}",
      '{"a":1',
      "{} {}",
      "[1,]",
      "",
    ]
  ) {
    assertEquals(findJsonFault(text), "it is not valid JSON", text);
  }
});
