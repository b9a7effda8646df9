import { assertEquals, assertThrows } from "../../../support/assert.ts";
import {
  contentText,
  errorText,
  isErrorFrame,
  MalformedFrame,
  parseFrame,
  refusalPart,
  toText,
} from "../../../../plugins/gpu/backends/wire.ts";

Deno.test("toText() accepts a string or nothing", () => {
  assertEquals(["a", null, undefined].map(toText), ["a", "", ""]);
  for (const value of [7, {}, [], true]) assertThrows(() => toText(value), MalformedFrame);
});

Deno.test("contentText() joins the text parts of a list and leaves out the others", () => {
  const parts = [
    { type: "thinking", thinking: [{ type: "text", text: "hm" }] },
    { type: "reasoning", text: "hm" },
    { type: "text", text: "He" },
    { type: "text", text: { value: "l", annotations: [] } },
    { type: "image_url", image_url: { url: "data:," } },
    { text: "l" },
    "o",
    null,
    7,
  ];
  assertEquals(contentText(parts), "Hello");
  assertEquals([contentText("a"), contentText(undefined), contentText([])], ["a", "", ""]);
  assertThrows(() => contentText({}), MalformedFrame);
  assertThrows(() => contentText([{ type: "text", text: 7 }]), MalformedFrame);
});

Deno.test("refusalPart() finds a refusal in a list of parts", () => {
  assertEquals(
    refusalPart([{ type: "text", text: "a" }, { type: "refusal", refusal: "no" }]),
    "no",
  );
  assertEquals(refusalPart([{ type: "refusal" }]), "");
  assertEquals([refusalPart("no"), refusalPart([])], [undefined, undefined]);
});

Deno.test("parseFrame() throws MalformedFrame for text that is not a JSON object", () => {
  assertEquals(parseFrame('{"a":1}'), { a: 1 });
  for (const text of ["x", "[1]", "7", "null", "\u0000"]) {
    assertThrows(() => parseFrame(text), MalformedFrame, text);
  }
});

Deno.test("parseFrame() returns undefined for a frame without content", () => {
  assertEquals(["", " ", "\n"].map(parseFrame), [undefined, undefined, undefined]);
});

Deno.test("isErrorFrame() recognizes the errors of all formats", () => {
  const errors = [
    { error: "no" },
    { error: {} },
    { type: "error" },
    { object: "error", message: "overloaded" },
    { detail: "not found" },
    { message: "no" },
  ];
  for (const frame of errors) assertEquals(isErrorFrame(frame, false), true, JSON.stringify(frame));
  for (const frame of [{}, { error: null }, { new: true }]) {
    assertEquals(isErrorFrame(frame, false), false, JSON.stringify(frame));
  }
  assertEquals(isErrorFrame({ message: "a field of the format" }, true), false);
});

Deno.test("errorText() finds the text of an error in each format", () => {
  assertEquals(errorText({ error: "a" }), "a");
  assertEquals(errorText({ error: { message: "b" } }), "b");
  assertEquals(errorText({ message: "c" }), "c");
  assertEquals(errorText({ error: 7 }), undefined);
  assertEquals(errorText({}), undefined);
});
