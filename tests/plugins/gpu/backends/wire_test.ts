import { assertEquals, assertThrows } from "../../../support/assert.ts";
import {
  errorText,
  MalformedFrame,
  parseFrame,
  toFinish,
  toText,
} from "../../../../plugins/gpu/backends/wire.ts";

Deno.test("toFinish() maps the two names of the token limit to length", () => {
  assertEquals(
    ["length", "max_tokens", "stop", "end_turn", undefined].map(toFinish),
    ["length", "length", "stop", "stop", "stop"],
  );
});

Deno.test("toText() accepts a string or nothing", () => {
  assertEquals(["a", null, undefined].map(toText), ["a", "", ""]);
  for (const value of [7, {}, [], true]) assertThrows(() => toText(value), MalformedFrame);
});

Deno.test("parseFrame() throws MalformedFrame for text that is not a JSON object", () => {
  assertEquals(parseFrame('{"a":1}'), { a: 1 });
  for (const text of ["", "x", "[1]", "7", "null", "\u0000"]) {
    assertThrows(() => parseFrame(text), MalformedFrame, text);
  }
});

Deno.test("errorText() finds the text of an error in each format", () => {
  assertEquals(errorText({ error: "a" }), "a");
  assertEquals(errorText({ error: { message: "b" } }), "b");
  assertEquals(errorText({ message: "c" }), "c");
  assertEquals(errorText({ error: 7 }), undefined);
  assertEquals(errorText({}), undefined);
});
