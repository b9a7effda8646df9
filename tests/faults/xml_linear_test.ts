/**
 * Property: the time and the memory that the XML of a WebDAV request costs are proportional to its
 * size, whatever its shape. The limit of nodes is not used here: an operator can raise it.
 */

import { assert, assertThrows } from "../support/assert.ts";
import { parseLockInfo } from "../../lib/dav/locks/lock_xml.ts";
import { parsePropertyUpdate } from "../../lib/dav/methods/proppatch.ts";
import { parsePropfind } from "../../lib/dav/properties/propfind_request.ts";
import { parseXml } from "../../lib/dav/xml/xml_reader.ts";
import { writeElement, type XmlElement } from "../../lib/dav/xml/xml_writer.ts";
import { Problem } from "../../lib/http/problem.ts";
import { DAV_LIMITS, MAX_PROPERTY_CHANGE_CHARS } from "../../lib/dav_limits.ts";
import { bytesOf } from "../support/wire.ts";

/** Repeats a text to about a length. */
function repeat(text: string, length: number): string {
  return text.repeat(Math.max(1, Math.floor(length / text.length)));
}

/** Joins numbered texts to about a length. */
function numbered(length: number, text: (i: number) => string): string {
  const parts: string[] = [];
  for (let i = 0, chars = 0; chars < length; i++) {
    const part = text(i);
    parts.push(part);
    chars += part.length;
  }
  return parts.join("");
}

/** Documents of about a length in characters, by their shape. */
const SHAPES: Readonly<Record<string, (length: number) => string>> = {
  "many elements": (n) => `<a>${repeat("<b/>", n)}</a>`,
  "many attributes": (n) => `<a ${numbered(n, (i) => `a${i}="" `)}/>`,
  "attributes without a value": (n) => `<a ${repeat("b ", n)}/>`,
  "many namespaces around elements with one each": (n) =>
    `<a ${numbered(n / 2, (i) => `xmlns:n${i}="u${i}" `)}>${repeat("<b xmlns:z='q'/>", n / 2)}</a>`,
  "many namespaces in use": (n) =>
    `<a ${numbered(n / 2, (i) => `xmlns:n${i}="u${i}" `)}>${
      numbered(n / 2, (i) => `<n${i % Math.floor(n / 80)}:b/>`)
    }</a>`,
  "one namespace for each element": (n) => `<a>${numbered(n, (i) => `<n:b xmlns:n="u${i}"/>`)}</a>`,
  "one long namespace of many elements": (n) =>
    `<a xmlns:n="${repeat("u", n / 2)}">${repeat("<n:b/>", n / 2)}</a>`,
  "deep elements": (n) => `<r>${repeat("<a>".repeat(60) + "</a>".repeat(60), n)}</r>`,
  "long names": (n) => `<${repeat("a", n / 2)} ${repeat("b", n / 2)}=""/>`,
  "quotes that do not close": (n) => `<a ${repeat('x="', n)}/>`,
  "comments": (n) => `<a>${repeat("<!---->", n)}</a>`,
  "a comment that does not close": (n) => `<a>${repeat("<!-- ", n)}</a>`,
  "CDATA": (n) => `<a>${repeat("<![CDATA[x]]>y", n)}</a>`,
  "CDATA that does not close": (n) => `<a>${repeat("<![CDATA[", n)}</a>`,
  "processing instructions": (n) => `<a>${repeat("<?x?>", n)}</a>`,
  "references": (n) => `<a b="${repeat("&#65;", n / 2)}">${repeat("&amp;", n / 2)}</a>`,
  "ampersands": (n) => `<a>${repeat("&", n)}</a>`,
  "open brackets": (n) => repeat("<a ", n),
  "close brackets": (n) => `<a>${repeat(">", n)}</a>`,
  "spaces": (n) => `<a x${repeat(" ", n)}y=""/>`,
};

const SMALL = DAV_LIMITS.xmlBytes / 8;
const LARGE = DAV_LIMITS.xmlBytes - 1024;
/** Linear growth is 8, quadratic growth is 64. */
const MAX_GROWTH = 30;
/** Times below this are dominated by other processes. */
const NEGLIGIBLE_MS = 25;
const ATTEMPTS = 60;

function measure(text: string): number {
  const bytes = bytesOf(text);
  const start = performance.now();
  try {
    const root = parseXml(new Uint8Array(bytes), Infinity);
    for (const read of [writeElement, parsePropfind, parsePropertyUpdate, parseLockInfo]) {
      try {
        read(root);
      } catch (error) {
        if (!(error instanceof Problem)) throw error;
      }
    }
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
  }
  return performance.now() - start;
}

for (const [shape, create] of Object.entries(SHAPES)) {
  Deno.test(`parsing takes linear time for ${shape}`, () => {
    const small = create(SMALL);
    const large = create(LARGE);
    let best = { small: Infinity, large: Infinity };
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      best = {
        small: Math.min(best.small, measure(small)),
        large: Math.min(best.large, measure(large)),
      };
      if (best.large < NEGLIGIBLE_MS || best.large < best.small * MAX_GROWTH) return;
    }
    assert(false, `${best.small} ms for ${SMALL} bytes, ${best.large} ms for ${LARGE}`);
  });
}

Deno.test("writeElement() writes a namespace once, however many elements have it", () => {
  const text = SHAPES["one long namespace of many elements"]?.(LARGE) ?? "";
  const written = writeElement(parseXml(new Uint8Array(bytesOf(text)), Infinity));
  assert(written.length < 2 * text.length, `${written.length} of ${text.length}`);
});

Deno.test("parsePropertyUpdate() limits the sum of all changes with their namespaces", () => {
  const update = (properties: number): XmlElement => {
    const children = Array.from({ length: properties }, (_, i) => ({
      ns: "u".repeat(1000 - 10),
      name: `n${String(i).padStart(9, "0")}`,
      attributes: [],
      children: [],
    }));
    const element = (name: string, inside: readonly XmlElement[]): XmlElement => ({
      ns: "DAV:",
      name,
      attributes: [],
      children: inside,
    });
    return element("propertyupdate", [element("remove", [element("prop", children)])]);
  };
  const most = Math.floor(MAX_PROPERTY_CHANGE_CHARS / 1000);
  assert(parsePropertyUpdate(update(most)).length === most);
  assertThrows(() => parsePropertyUpdate(update(most + 1)), { type: "bad-body" });
});
