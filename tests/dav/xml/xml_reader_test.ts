import { assertEquals, assertThrows } from "../../support/assert.ts";
import { assertLinear } from "../../support/growth.ts";
import {
  childElements,
  findDavChild,
  isDavName,
  parseXml,
  readXml,
} from "../../../lib/dav/xml/xml_reader.ts";
import type { XmlElement } from "../../../lib/dav/xml/xml_writer.ts";
import { Problem } from "../../../lib/http/problem.ts";
import { DAV_LIMITS, MAX_DAV_XML_DEPTH } from "../../../lib/dav_limits.ts";

const encoder = new TextEncoder();

function parse(text: string): XmlElement {
  return parseXml(encoder.encode(text));
}

function assertRefused(text: string | Uint8Array): void {
  const bytes = typeof text === "string" ? encoder.encode(text) : text;
  assertThrows(() => parseXml(bytes), (error) => error instanceof Problem && error.status === 400);
}

const LIMITS = { maxBytes: DAV_LIMITS.xmlBytes, maxNodes: DAV_LIMITS.xmlNodes };

Deno.test("parseXml() resolves prefixes, the default namespace and names without one", () => {
  const root = parse(
    '<?xml version="1.0"?><!-- hi --><D:a xmlns:D="DAV:" x="1"><b xmlns="urn:b"><c/></b>' +
      '<e D:y="2">t</e></D:a>',
  );
  assertEquals(root, {
    ns: "DAV:",
    name: "a",
    attributes: [{ ns: "", name: "x", value: "1" }],
    children: [
      {
        ns: "urn:b",
        name: "b",
        attributes: [],
        children: [{ ns: "urn:b", name: "c", attributes: [], children: [] }],
      },
      {
        ns: "",
        name: "e",
        attributes: [{ ns: "DAV:", name: "y", value: "2" }],
        children: ["t"],
      },
    ],
  });
});

Deno.test("parseXml() decodes predefined references in text and attributes", () => {
  const root = parse('<a x="&quot;&amp;">&lt;&gt;&apos;&#65;&#x1F600;<![CDATA[&amp;<z>]]></a>');
  assertEquals(root.attributes[0]?.value, '"&');
  assertEquals(root.children.join(""), "<>'A\u{1f600}&amp;<z>");
});

Deno.test("parseXml() keeps white space and skips a byte order mark", () => {
  assertEquals(parse("\ufeff<a> x </a>").children, [" x "]);
});

for (
  const [what, text] of [
    ["a document type", '<!DOCTYPE a [<!ENTITY x "y">]><a>&x;</a>'],
    ["an external entity", '<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>'],
    [
      "an entity expansion attack",
      '<!DOCTYPE a [<!ENTITY b "bbbbbbbbbb"><!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;&b;">]><a>&c;</a>',
    ],
    ["an undeclared entity", "<a>&foo;</a>"],
    ["an ampersand without a reference", "<a>a & b</a>"],
    ["a reference to a character that is not allowed", "<a>&#0;</a>"],
    ["a reference to a surrogate", "<a>&#xD800;</a>"],
    ["a reference beyond Unicode", "<a>&#x110000;</a>"],
    ["an element that is not closed", "<a><b></a>"],
    ["a document that ends in an element", "<foo>"],
    ["two roots", "<a/><b/>"],
    ["no root", "hello"],
    ["an undeclared prefix", "<D:a/>"],
    ["a prefix with an empty value", '<a xmlns:b=""/>'],
    ["the prefix xml for another namespace", '<a xmlns:xml="urn:x"/>'],
    ["an attribute twice", '<a x="1" x="2"/>'],
    ["an attribute without quotes", "<a x=1/>"],
    ["two colons", "<a:b:c xmlns:a='x'/>"],
    ["a control character", "<a>\u0001</a>"],
    ["an invalid name", "<1a/>"],
    ["the name __proto__", "<__proto__/>"],
  ] as const
) {
  Deno.test(`parseXml() refuses ${what}`, () => assertRefused(text));
}

Deno.test("parseXml() refuses bytes that are not UTF-8", () => {
  assertRefused(new Uint8Array([0x3c, 0x61, 0x3e, 0xff, 0x3c, 0x2f, 0x61, 0x3e]));
});

Deno.test("parseXml() accepts the maximum depth and refuses one more level", () => {
  const nested = (levels: number) => "<a>".repeat(levels) + "</a>".repeat(levels);
  assertEquals(parse(nested(MAX_DAV_XML_DEPTH)).name, "a");
  assertRefused(nested(MAX_DAV_XML_DEPTH + 2));
  assertLinear((levels) => assertRefused(nested(levels)), DAV_LIMITS.xmlBytes / 8);
});

Deno.test("readXml() refuses a long body with 413 and returns undefined for an empty one", async () => {
  const request = (body: string) => new Request("http://x/", { method: "PUT", body });
  assertEquals(await readXml(new Request("http://x/"), LIMITS), undefined);
  assertEquals(await readXml(request(""), LIMITS), undefined);
  const long = `<a>${"x".repeat(DAV_LIMITS.xmlBytes)}</a>`;
  await readXml(request(long), LIMITS).then(
    () => assertEquals(true, false),
    (error) => assertEquals(error instanceof Problem && error.status, 413),
  );
});

Deno.test("findDavChild() and childElements() ignore text and other namespaces", () => {
  const root = parse('<a xmlns:D="DAV:">x<D:b/><b/></a>');
  assertEquals(childElements(root).length, 2);
  assertEquals(findDavChild(root, "b")?.ns, "DAV:");
  assertEquals(findDavChild(root, "a"), undefined);
  assertEquals(isDavName(root, "a"), false);
});

Deno.test("parseXml() refuses more nodes than the limit", () => {
  const bytes = (count: number) => new TextEncoder().encode(`<a>${"<b/>".repeat(count - 1)}</a>`);
  assertEquals(parseXml(bytes(10), 10).children.length, 9);
  assertThrows(() => parseXml(bytes(11), 10), { type: "bad-body" });
});
