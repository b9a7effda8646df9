import { assert, assertEquals, assertMatch, assertNotEquals } from "../../support/assert.ts";
import { FORMATS } from "../../../plugins/semantic/formats/formats.ts";
import { fingerprint, formatPrompt, PROMPT_REVISION } from "../../../plugins/semantic/prompt.ts";

const [format] = FORMATS;
if (format === undefined) throw new TypeError("FORMATS is empty");
const INPUT = { text: "The source.", isCut: false, format, intent: "für Oma", mark: "m-1" };

Deno.test("formatPrompt() puts the source between two lines with the mark", () => {
  const parts = formatPrompt(INPUT).split("====== m-1 ======");
  assertEquals(parts.length, 3);
  assertEquals(parts[1]?.trim(), "The source.");
});

Deno.test("formatPrompt() quotes the intent, or says that the reader gave none", () => {
  assert(formatPrompt(INPUT).includes('"für Oma"'));
  assertMatch(formatPrompt({ ...INPUT, intent: "" }), /The reader said nothing about itself/);
});

Deno.test("formatPrompt() names the media type and its rules twice", () => {
  const prompt = formatPrompt(INPUT);
  assertEquals(prompt.split(format.rules).length, 3);
  assertMatch(prompt, /It is text\/plain\. /);
  assertMatch(prompt, /only the text\/plain\. /);
});

Deno.test("formatPrompt() states that a source was cut only if it was", () => {
  assert(!formatPrompt(INPUT).includes("it was cut"));
  assert(formatPrompt({ ...INPUT, isCut: true }).includes("it was cut"));
});

Deno.test("PROMPT_REVISION is r1- and eight hexadecimal digits", () => {
  assertMatch(PROMPT_REVISION, /^r1-[\da-f]{8}$/);
});

Deno.test("fingerprint() changes with any text", () => {
  assertNotEquals(fingerprint(["a", "b"]), fingerprint(["a", "c"]));
  assertEquals(fingerprint(["a", "b"]), fingerprint(["a", "b"]));
});
