import { assertEquals } from "../../support/assert.ts";
import { parseXml } from "../../../lib/dav/xml/xml_reader.ts";
import {
  escapeXml,
  isXmlText,
  toNameKey,
  writeElement,
  writeEmptyElement,
  type XmlElement,
} from "../../../lib/dav/xml/xml_writer.ts";

function again(xml: string): XmlElement {
  return parseXml(new TextEncoder().encode(xml));
}

Deno.test("escapeXml() escapes all characters that are special in text and attributes", () => {
  assertEquals(escapeXml(`a<b>"c"&'d'`), "a&lt;b&gt;&quot;c&quot;&amp;&apos;d&apos;");
  assertEquals(escapeXml("plain"), "plain");
  assertEquals(escapeXml("\r\n\t"), "&#13;&#10;&#9;");
});

Deno.test("escapeXml() writes U+FFFD for characters that XML does not allow", () => {
  assertEquals(escapeXml("a\u0000b\uffffc\ud800d"), "a\ufffdb\ufffdc\ufffdd");
  assertEquals(isXmlText("a\u0000"), false);
  assertEquals(isXmlText("\u{10000}"), true);
});

Deno.test("writeElement() writes XML with the same meaning in every document", () => {
  const root = again(
    '<x:p xmlns:x="urn:x" xmlns="urn:d" a="1" x:b="&lt;" xml:lang="de">t&amp;<q/><r xmlns=""/>' +
      "<x:s>&#65536;</x:s></x:p>",
  );
  const wrapped = again(`<w xmlns="urn:w">${writeElement(root)}</w>`);
  // Names without a namespace require a document without a default namespace, as in all responses.
  assertEquals(again(writeElement(root)), root);
  assertEquals(wrapped.children.length, 1);
});

Deno.test("writeEmptyElement() writes an element in any namespace", () => {
  assertEquals(writeEmptyElement({ ns: "DAV:", name: "getetag" }), "<D:getetag/>");
  assertEquals(writeEmptyElement({ ns: "", name: "x" }), "<x/>");
  assertEquals(writeEmptyElement({ ns: 'u"r', name: "x" }), '<N:x xmlns:N="u&quot;r"/>');
  assertEquals(toNameKey({ ns: "DAV:", name: "getetag" }), "{DAV:}getetag");
});
