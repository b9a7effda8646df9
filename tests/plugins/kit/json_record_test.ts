import { assertEquals } from "../../support/assert.ts";
import { isRecord, parseRecord } from "../../../plugins/kit/json_record.ts";

Deno.test("isRecord() accepts objects only", () => {
  for (const value of [null, undefined, 1, "a", [], true]) assertEquals(isRecord(value), false);
  assertEquals(isRecord({}), true);
});

Deno.test("parseRecord() returns an object, or undefined for any other text", () => {
  assertEquals(parseRecord('{"a":[1]}'), { a: [1] });
  for (const text of ["", "{", "[]", "null", "1"]) assertEquals(parseRecord(text), undefined, text);
});
