import { assert, assertEquals } from "../support/assert.ts";
import { assertLinear } from "../support/growth.ts";
import { sha256Hex } from "../../lib/base/hash.ts";
import { formatEtag, isTagOf, parseEntityTags, parseWorldTags } from "../../lib/http/etag.ts";
import { MAX_ENTITY_TAGS, MAX_ENTITY_TAGS_CHARS } from "../../lib/limits.ts";

const SHA = sha256Hex("foo");
const SHORT = "2c26b46b68ffc68f";

function fault(header: string): string {
  const parsed = parseEntityTags(header);
  return parsed !== "*" && "fault" in parsed ? parsed.fault : "";
}

Deno.test("formatEtag() contains version, hash and representation", () => {
  assertEquals(formatEtag(3, SHA, "json"), `"3-${SHORT}.json"`);
});

Deno.test("formatEtag() differs between versions, bodies and representations", () => {
  const tags = [
    formatEtag(1, SHA, "raw"),
    formatEtag(2, SHA, "raw"),
    formatEtag(1, sha256Hex("bar"), "raw"),
    formatEtag(1, SHA, "json"),
    formatEtag(12, SHA, "raw"),
  ];
  assertEquals(new Set(tags).size, tags.length);
});

Deno.test("formatEtag() is parsed by parseEntityTags() and parseWorldTags()", () => {
  const tag = formatEtag(7, SHA, "html-2");
  assertEquals(parseEntityTags(tag), [{ weak: false, opaque: `7-${SHORT}.html-2` }]);
  assertEquals(parseWorldTags(tag, "strong"), [{ version: 7, sha256: SHORT }]);
});

Deno.test("parseEntityTags() parses a single *", () => {
  assertEquals(parseEntityTags("*"), "*");
  assertEquals(parseEntityTags(" * "), "*");
  assert(fault('*, "a"'));
  assert(fault('"a", *'));
  assert(fault("*, *"));
});

Deno.test("parseEntityTags() parses lists, weak prefixes and commas inside quotes", () => {
  assertEquals(parseEntityTags('"a", W/"b","c,d" ,\t"", "e"'), [
    { weak: false, opaque: "a" },
    { weak: true, opaque: "b" },
    { weak: false, opaque: "c,d" },
    { weak: false, opaque: "" },
    { weak: false, opaque: "e" },
  ]);
});

Deno.test("parseEntityTags() skips empty list elements", () => {
  assertEquals(parseEntityTags(""), []);
  assertEquals(parseEntityTags(" , ,"), []);
  assertEquals(parseEntityTags(', "a",, "b", '), [
    { weak: false, opaque: "a" },
    { weak: false, opaque: "b" },
  ]);
});

Deno.test("parseEntityTags() accepts every opaque character, and a backslash as itself", () => {
  assertEquals(parseEntityTags('"!#~\\\x80\xff"'), [{ weak: false, opaque: "!#~\\\x80\xff" }]);
});

Deno.test("parseEntityTags() returns a fault for anything but a list of tags", () => {
  for (
    const header of [
      "3",
      "a",
      '"a',
      'a"',
      '"a" "b"',
      '"a b"',
      '"a\tb"',
      '"a\x7f"',
      '"a\x00"',
      '"\u0100"',
      'w/"a"',
      'W/ "a"',
      "W/",
      '"a";q=1',
      "'a'",
    ]
  ) assert(fault(header), header);
});

Deno.test("parseEntityTags() accepts 64 tags and returns a fault for one more", () => {
  const most = Array.from({ length: MAX_ENTITY_TAGS }, (_, i) => `"${i}"`).join(",");
  assertEquals(Object.keys(parseEntityTags(most)).length, MAX_ENTITY_TAGS);
  assert(fault(most + ',"x"').includes(String(MAX_ENTITY_TAGS)));
});

Deno.test("parseEntityTags() accepts the longest header and returns a fault for a longer one", () => {
  const longest = `"${"a".repeat(MAX_ENTITY_TAGS_CHARS - 2)}"`;
  assertEquals(Object.keys(parseEntityTags(longest)).length, 1);
  assert(fault(longest + ","));
});

Deno.test("parseEntityTags() takes linear time for white space and commas", () => {
  for (const part of [" ", ",", '"",', '" ,']) {
    assertLinear((length) => fault('"a"' + part.repeat(length / part.length) + "!"), 8000, part);
  }
});

Deno.test("parseWorldTags() parses the tags of all representations and the short form", () => {
  assertEquals(parseWorldTags(`"3-${SHORT}.raw", "3-${SHORT}.json", "4", "0"`, "strong"), [
    { version: 3, sha256: SHORT },
    { version: 3, sha256: SHORT },
    { version: 4 },
    { version: 0 },
  ]);
});

Deno.test("parseWorldTags() skips weak tags for strong comparison and includes them for weak", () => {
  assertEquals(parseWorldTags(`W/"3", "4"`, "strong"), [{ version: 4 }]);
  assertEquals(parseWorldTags(`W/"3", "4"`, "weak"), [{ version: 3 }, { version: 4 }]);
});

Deno.test("parseWorldTags() of foreign tags returns an empty list", () => {
  for (
    const foreign of [
      '"abc"',
      '"03"',
      '"-1"',
      '"1e3"',
      '"3.0"',
      `"3-${SHORT}"`,
      `"3-${SHORT.slice(1)}.raw"`,
      `"3-${SHORT.toUpperCase()}.raw"`,
      `"3-${SHORT}."`,
      '"9999999999999999"',
      '""',
      "",
    ]
  ) assertEquals(parseWorldTags(foreign, "weak"), [], foreign);
});

Deno.test("parseWorldTags() returns * and faults unchanged", () => {
  assertEquals(parseWorldTags("*", "strong"), "*");
  assert("fault" in Object(parseWorldTags("3", "strong")));
});

Deno.test("isTagOf() accepts only its own tag and the short form of its version", () => {
  const current = formatEtag(3, SHA, "raw");
  assertEquals(isTagOf(current.slice(1, -1), current), true);
  assertEquals(isTagOf("3", current), true);
  for (
    const other of ["", "2", "30", "3-", `3-${SHORT}`, `3-${SHORT}.json`, `3-${SHORT}.rax`, "33"]
  ) assertEquals(isTagOf(other, current), false, other);
  assertEquals(isTagOf("3", formatEtag(33, SHA, "raw")), false);
  assertEquals(isTagOf("33", formatEtag(3, SHA, "raw")), false);
});

Deno.test("isTagOf() rejects a short form that is only a prefix of the version", () => {
  assertEquals(isTagOf(`${SHORT}.list`, `"${SHORT}.list-json"`), false);
  assertEquals(isTagOf(SHORT, `"${SHORT}-x"`), false);
});
