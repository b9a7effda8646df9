import { deepStrictEqual, strictEqual, throws } from "node:assert/strict";
import {
  errorText,
  MalformedFrame,
  parseFrame,
  toFinish,
  toText,
} from "../../../../plugins/gpu/backends/wire.ts";

Deno.test("toFinish() maps the two names of the token limit to length", () => {
  deepStrictEqual(
    ["length", "max_tokens", "stop", "end_turn", undefined].map(toFinish),
    ["length", "length", "stop", "stop", "stop"],
  );
});

Deno.test("toText() accepts a string or nothing", () => {
  deepStrictEqual(["a", null, undefined].map(toText), ["a", "", ""]);
  for (const value of [7, {}, [], true]) throws(() => toText(value), MalformedFrame);
});

Deno.test("parseFrame() throws MalformedFrame for text that is not a JSON object", () => {
  deepStrictEqual(parseFrame('{"a":1}'), { a: 1 });
  for (const text of ["", "x", "[1]", "7", "null", "\u0000"]) {
    throws(() => parseFrame(text), MalformedFrame, text);
  }
});

Deno.test("errorText() finds the text of an error in each format", () => {
  strictEqual(errorText({ error: "a" }), "a");
  strictEqual(errorText({ error: { message: "b" } }), "b");
  strictEqual(errorText({ message: "c" }), "c");
  strictEqual(errorText({ error: 7 }), undefined);
  strictEqual(errorText({}), undefined);
});
