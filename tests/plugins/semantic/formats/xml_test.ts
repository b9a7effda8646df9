import { assertEquals } from "../../../support/assert.ts";
import { assertLinear } from "../../../support/growth.ts";
import { checkXml, findSvgFault } from "../../../../plugins/semantic/formats/xml.ts";

const PICTURE = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1 1"><circle r="1"/></svg>';

Deno.test("checkXml() accepts well-formed documents and returns the root", () => {
  for (
    const text of [
      "<a/>",
      "<a b='1'>&amp;&#65;<![CDATA[<]]><!-- x --></a>",
      `<?xml version="1.0" encoding="UTF-8"?>\n<a><b/></a>\n`,
      "<!-- before --><a></a><!-- after -->",
      `${"<a>".repeat(256)}${"</a>".repeat(256)}`,
    ]
  ) {
    const { fault, root } = checkXml(text);
    assertEquals(fault, undefined, text);
    assertEquals(root, "a", text);
  }
});

Deno.test("checkXml() names what is not well-formed or not allowed", () => {
  const rows: [text: string, fault: string][] = [
    ["words", "it has text outside its root"],
    ["<a/> words", "it has text outside its root"],
    ["<a><b></a></b>", "an end tag does not match the open element"],
    ["<a>x & y</a>", "it has an undefined entity"],
    ["<a>&x;</a>", "it has an undefined entity"],
    ["<a b='&x;'/>", "it has an undefined entity"],
    ["<a>]]></a>", "its text contains ]]>"],
    ["<a><!-- -- --></a>", "a comment is not closed correctly"],
    ["<![CDATA[x]]><a/>", "a CDATA section is outside its root or not closed"],
    ["<a><![CDATA[x</a>", "a CDATA section is outside its root or not closed"],
    ['<!DOCTYPE a [<!ENTITY x "y">]><a/>', "it has a DOCTYPE or a declaration"],
    ["<?xml-stylesheet href='x'?><a/>", "it has a processing instruction"],
    ["<a b=1/>", "a tag is not well-formed"],
    ["<a><", "a tag is not well-formed"],
    ["<a b='1' b='2'/>", "an element has the attribute b twice"],
    ["<a/><a/>", "it has more than one root"],
    ["<a><b>", "<b> is not closed"],
    ["<!-- x -->", "it has no element"],
    ["", "it has no element"],
    ["<a>".repeat(257), "elements are nested more than 256 levels deep"],
  ];
  for (const [text, fault] of rows) assertEquals(checkXml(text).fault, fault, text.slice(0, 99));
});

Deno.test("findSvgFault() accepts a picture with the SVG namespace", () => {
  assertEquals(findSvgFault(PICTURE), undefined);
  assertEquals(findSvgFault(`<?xml version="1.0"?>\n${PICTURE}`), undefined);
});

Deno.test("findSvgFault() refuses other documents and incomplete pictures", () => {
  const rows: [text: string, fault: string][] = [
    ["<html></html>", "its root is <html> instead of <svg>"],
    ["<svg viewBox='0 0 1 1'/>", "its root lacks the SVG namespace"],
    [PICTURE.replace("</svg>", ""), "<svg> is not closed"],
    [PICTURE.replace("<circle", "<circle r='1' "), "an element has the attribute r twice"],
    [PICTURE.replace("<circle", "<text>&x;</text><circle"), "it has an undefined entity"],
    [PICTURE + PICTURE, "it has more than one root"],
    [
      `<!DOCTYPE svg [<!ENTITY x SYSTEM "file:///etc/passwd">]>${PICTURE}`,
      "it has a DOCTYPE or a declaration",
    ],
  ];
  for (const [text, fault] of rows) assertEquals(findSvgFault(text), fault, text);
});

Deno.test("checkXml() reads repeated parts in linear time", () => {
  for (const part of ["<a>", "<!--", "&amp;", "<a b='", " x='1'"]) {
    for (const begin of ["<r ", "<r>"]) {
      const parts = (length: number) => part.repeat(Math.floor(length / part.length));
      assertLinear((length) => checkXml(begin + parts(length)), 1_000_000, begin + part);
    }
  }
});
