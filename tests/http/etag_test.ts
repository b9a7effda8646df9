import { deepStrictEqual as equal, ok } from "node:assert/strict";
import { sha256Hex } from "../../lib/base/hash.ts";
import { etag, namesRepresentation, parseEntityTags, worldTags } from "../../lib/http/etag.ts";
import { MAX_ENTITY_TAGS, MAX_ENTITY_TAGS_LENGTH } from "../../lib/limits.ts";

const SHA = sha256Hex("foo");
const SHORT = "2c26b46b68ffc68f";

function fault(header: string): string {
  const parsed = parseEntityTags(header);
  return parsed !== "*" && "fault" in parsed ? parsed.fault : "";
}

Deno.test("etag() holds version, hash and representation", () => {
  equal(etag(3, SHA, "json"), `"3-${SHORT}.json"`);
});

Deno.test("etag() differs between versions, bodies and representations", () => {
  const tags = [
    etag(1, SHA, "raw"),
    etag(2, SHA, "raw"),
    etag(1, sha256Hex("bar"), "raw"),
    etag(1, SHA, "json"),
    etag(12, SHA, "raw"),
  ];
  equal(new Set(tags).size, tags.length);
});

Deno.test("etag() makes what parseEntityTags() and worldTags() read", () => {
  const tag = etag(7, SHA, "html-2");
  equal(parseEntityTags(tag), [{ weak: false, opaque: `7-${SHORT}.html-2` }]);
  equal(worldTags(tag, "strong"), [{ version: 7, sha256: SHORT }]);
});

Deno.test("parseEntityTags() reads the star alone", () => {
  equal(parseEntityTags("*"), "*");
  equal(parseEntityTags(" * "), "*");
  ok(fault('*, "a"'));
  ok(fault('"a", *'));
  ok(fault("*, *"));
});

Deno.test("parseEntityTags() reads lists, weak prefixes and commas inside quotes", () => {
  equal(parseEntityTags('"a", W/"b","c,d" ,\t"", "e"'), [
    { weak: false, opaque: "a" },
    { weak: true, opaque: "b" },
    { weak: false, opaque: "c,d" },
    { weak: false, opaque: "" },
    { weak: false, opaque: "e" },
  ]);
});

Deno.test("parseEntityTags() skips empty list elements", () => {
  equal(parseEntityTags(""), []);
  equal(parseEntityTags(" , ,"), []);
  equal(parseEntityTags(', "a",, "b", '), [
    { weak: false, opaque: "a" },
    { weak: false, opaque: "b" },
  ]);
});

Deno.test("parseEntityTags() takes every opaque character, a backslash as itself", () => {
  equal(parseEntityTags('"!#~\\\x80\xff"'), [{ weak: false, opaque: "!#~\\\x80\xff" }]);
});

Deno.test("parseEntityTags() refuses what is no list of tags", () => {
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
  ) ok(fault(header), header);
});

Deno.test("parseEntityTags() reads as many tags as fit and refuses one more", () => {
  const most = Array.from({ length: MAX_ENTITY_TAGS }, (_, i) => `"${i}"`).join(",");
  equal(Object.keys(parseEntityTags(most)).length, MAX_ENTITY_TAGS);
  ok(fault(most + ',"x"').includes(String(MAX_ENTITY_TAGS)));
});

Deno.test("parseEntityTags() reads the longest header and refuses a longer one", () => {
  const longest = `"${"a".repeat(MAX_ENTITY_TAGS_LENGTH - 2)}"`;
  equal(Object.keys(parseEntityTags(longest)).length, 1);
  ok(fault(longest + ","));
});

Deno.test("parseEntityTags() takes no longer for white space and commas that lead nowhere", () => {
  const start = performance.now();
  for (const part of [" ", ",", '"",', '" ,']) {
    fault('"a"' + part.repeat(8000 / part.length) + "!");
  }
  ok(performance.now() - start < 50);
});

Deno.test("worldTags() reads every representation's tag and the short form", () => {
  equal(worldTags(`"3-${SHORT}.raw", "3-${SHORT}.json", "4", "0"`, "strong"), [
    { version: 3, sha256: SHORT },
    { version: 3, sha256: SHORT },
    { version: 4 },
    { version: 0 },
  ]);
});

Deno.test("worldTags() leaves weak tags out of strong comparison and takes them in weak", () => {
  equal(worldTags(`W/"3", "4"`, "strong"), [{ version: 4 }]);
  equal(worldTags(`W/"3", "4"`, "weak"), [{ version: 3 }, { version: 4 }]);
});

Deno.test("worldTags() of foreign tags is an empty list, which matches nothing", () => {
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
  ) equal(worldTags(foreign, "weak"), [], foreign);
});

Deno.test("worldTags() passes the star and the fault on", () => {
  equal(worldTags("*", "strong"), "*");
  ok("fault" in Object(worldTags("3", "strong")));
});

Deno.test("namesRepresentation() knows its own tag and its version's short form alone", () => {
  const current = etag(3, SHA, "raw");
  equal(namesRepresentation(current.slice(1, -1), current), true);
  equal(namesRepresentation("3", current), true);
  for (
    const other of ["", "2", "30", "3-", `3-${SHORT}`, `3-${SHORT}.json`, `3-${SHORT}.rax`, "33"]
  ) equal(namesRepresentation(other, current), false, other);
  equal(namesRepresentation("3", etag(33, SHA, "raw")), false);
  equal(namesRepresentation("33", etag(3, SHA, "raw")), false);
});

Deno.test("namesRepresentation() takes no tag for the short form of one it begins", () => {
  equal(namesRepresentation(`${SHORT}.list`, `"${SHORT}.list-json"`), false);
  equal(namesRepresentation(SHORT, `"${SHORT}-x"`), false);
});
