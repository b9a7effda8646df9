/** One table of entity tag lists, read by the core and by the kit of the plugins. */

import { assertEquals, assertStrictEquals } from "../../support/assert.ts";
import { parseEntityTags as parseCore } from "../../../lib/http/etag.ts";
import { includesTag, parseEntityTags } from "../../../plugins/kit/entity_tag.ts";

const MANY = (count: number) => Array.from({ length: count }, (_, i) => `"${i}"`);

const CASES: readonly (readonly [header: string, tags: "*" | readonly string[] | undefined])[] = [
  ["*", "*"],
  [" * ", "*"],
  ['"a"', ['"a"']],
  ['W/"a"', ['W/"a"']],
  ['"a", W/"b" ,"c"', ['"a"', 'W/"b"', '"c"']],
  ['"a,b"', ['"a,b"']],
  ['""', ['""']],
  ['"a",, "b",', ['"a"', '"b"']],
  ["", []],
  [",", []],
  ["a", undefined],
  ['"a" "b"', undefined],
  ['"a', undefined],
  ['w/"a"', undefined],
  ['"a b"', undefined],
  ['*, "a"', undefined],
  [MANY(64).join(), MANY(64)],
  [MANY(65).join(), undefined],
  [`"${"x".repeat(8190)}"`, [`"${"x".repeat(8190)}"`]],
  [`"${"x".repeat(8191)}"`, undefined],
];

for (const [header, tags] of CASES) {
  const title = JSON.stringify(header.slice(0, 40));
  Deno.test(`parseEntityTags() of the kit and of the core agree on ${title}`, () => {
    assertEquals(parseEntityTags(header), tags);
    const core = parseCore(header);
    const written = core === "*"
      ? "*"
      : "fault" in core
      ? undefined
      : core.map(({ weak, opaque }) => `${weak ? "W/" : ""}"${opaque}"`);
    assertEquals(written, tags);
  });
}

Deno.test("includesTag() compares as RFC 9110 §8.8.3.2 says", () => {
  const rows: readonly [list: string, current: string, strong: boolean, weak: boolean][] = [
    ['W/"1"', 'W/"1"', false, true],
    ['W/"1"', 'W/"2"', false, false],
    ['W/"1"', '"1"', false, true],
    ['"1"', '"1"', true, true],
  ];
  for (const [list, current, strong, weak] of rows) {
    assertStrictEquals(includesTag(parseEntityTags(list), current, "strong"), strong, list);
    assertStrictEquals(includesTag(parseEntityTags(list), current, "weak"), weak, list);
  }
});

Deno.test("includesTag() matches * with every tag, and nothing without a tag or a list", () => {
  assertEquals(includesTag("*", '"1"', "strong"), true);
  assertEquals(includesTag("*", undefined, "strong"), false);
  assertEquals(includesTag(undefined, '"1"', "weak"), false);
});
