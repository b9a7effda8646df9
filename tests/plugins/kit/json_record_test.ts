import { deepStrictEqual, strictEqual } from "node:assert/strict";
import { isRecord, parseRecord } from "../../../plugins/kit/json_record.ts";

Deno.test("isRecord() accepts objects only", () => {
  for (const value of [null, undefined, 1, "a", [], true]) strictEqual(isRecord(value), false);
  strictEqual(isRecord({}), true);
});

Deno.test("parseRecord() returns an object, or undefined for any other text", () => {
  deepStrictEqual(parseRecord('{"a":[1]}'), { a: [1] });
  for (const text of ["", "{", "[]", "null", "1"]) strictEqual(parseRecord(text), undefined, text);
});
