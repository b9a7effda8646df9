import { assertEquals } from "../../support/assert.ts";
import { OutputUnwrapper } from "../../../plugins/semantic/unwrap_output.ts";

function unwrap(pieces: readonly string[], fences: readonly string[]): string {
  const unwrapper = new OutputUnwrapper(fences);
  return pieces.map((piece) => unwrapper.push(piece)).join("") + unwrapper.end();
}

const JSON_FENCES = ["", "json"];
const ROWS: [output: string, fences: string[], expected: string][] = [
  ["  two  words \n\n", [], "two  words"],
  ["\ufeff\n x", [], "x"],
  ["`a` b", [""], "`a` b"],
  ["```json\n{}\n```\n", JSON_FENCES, "{}"],
  ["\n\n```\n[1]\n```", JSON_FENCES, "[1]"],
  ["```JSON\n{}```", JSON_FENCES, "{}"],
  ["```json\n{}", JSON_FENCES, "{}"],
  ["```html\n{}\n```", JSON_FENCES, "```html\n{}\n```"],
  ["```js\nx\n```", ["markdown"], "```js\nx\n```"],
  ["Here:\n```json\n{}\n```", JSON_FENCES, "Here:\n```json\n{}\n```"],
  ["<think>so {\n</think>\n3", JSON_FENCES, "3"],
  ["<think>a</think><think>b</think>```\n1\n```", JSON_FENCES, "1"],
  ["<think>never ends", [], ""],
  ["", [], ""],
  [" \n", [], ""],
];

Deno.test("OutputUnwrapper removes white space, thoughts and the outer fence", () => {
  for (const [output, fences, expected] of ROWS) {
    assertEquals(unwrap([output], fences), expected, JSON.stringify(output));
  }
});

Deno.test("OutputUnwrapper returns the same text however the output is divided", () => {
  for (const [output, fences] of ROWS) {
    const whole = unwrap([output], fences);
    assertEquals(unwrap([...output], fences), whole, JSON.stringify(output));
    for (let at = 1; at < output.length; at++) {
      assertEquals(
        unwrap([output.slice(0, at), output.slice(at)], fences),
        whole,
        `${output} at ${at}`,
      );
    }
  }
});

Deno.test("OutputUnwrapper holds back what can be the beginning of a fence", () => {
  const unwrapper = new OutputUnwrapper(JSON_FENCES);
  assertEquals(unwrapper.push("`"), "");
  assertEquals(unwrapper.push("``js"), "");
  assertEquals(unwrapper.push("on\n[1]"), "[1]");
  assertEquals(unwrapper.push("\n``"), "");
  assertEquals(unwrapper.push("`"), "");
  assertEquals(unwrapper.end(), "");
});

Deno.test("OutputUnwrapper returns text as soon as it is certain", () => {
  const unwrapper = new OutputUnwrapper([]);
  assertEquals(unwrapper.push("one "), "one");
  assertEquals(unwrapper.push("two"), " two");
  assertEquals(unwrapper.end(), "");
});

Deno.test("OutputUnwrapper stops waiting for the first line of a fence at 100 characters", () => {
  const unwrapper = new OutputUnwrapper([""]);
  assertEquals(unwrapper.push("```" + "x".repeat(96)), "");
  assertEquals(unwrapper.push("x"), "```" + "x".repeat(97));
});
