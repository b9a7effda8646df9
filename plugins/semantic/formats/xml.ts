/** The checks of XML 1.0 and SVG. Pure. */

import type { Format } from "./format.ts";

export const SVG: Format = {
  type: "image/svg+xml",
  isRendered: true,
  contentType: "image/svg+xml",
  rules: 'One SVG picture: a single <svg xmlns="http://www.w3.org/2000/svg"> element with a ' +
    "viewBox, well-formed XML, no DOCTYPE, no entities, no scripts, no references to other files.",
  fences: ["", "svg", "xml"],
  findFault: findSvgFault,
};

export const XML: Format = {
  type: "application/xml",
  isRendered: true,
  contentType: "application/xml",
  rules: "One well-formed XML document, no DOCTYPE, no entities except the five of XML.",
  fences: ["", "xml"],
  findFault: (text) => checkXml(text).fault,
};

/** A fault, or the root element of a well-formed document. */
interface XmlResult {
  readonly fault?: string;
  readonly root?: string;
  readonly attributes?: ReadonlyMap<string, string>;
}

const XML_NAME = "[A-Za-z_:\\u00c0-\\ufffd][\\w:.\\-\\u00b7\\u00c0-\\ufffd]*";
const XML_TAG = new RegExp(
  `<(${XML_NAME})((?:\\s+${XML_NAME}\\s*=\\s*(?:"[^"<]*"|'[^'<]*'))*)\\s*(/?)>`,
  "y",
);
const XML_END = new RegExp(`</(${XML_NAME})\\s*>`, "y");
const XML_ATTRIBUTE = new RegExp(`(${XML_NAME})\\s*=\\s*(?:"([^"]*)"|'([^']*)')`, "g");
const XML_REFERENCE = /&(?!(?:amp|lt|gt|quot|apos|#\d{1,7}|#x[\da-fA-F]{1,6});)/;
const XML_DECLARATION = /^<\?xml\s+version\s*=\s*(?:"1\.[01]"|'1\.[01]')[^?<>]*\?>/;
const MAX_XML_DEPTH = 256;

/** Finds why a text is not a well-formed SVG document. */
export function findSvgFault(text: string): string | undefined {
  const { fault, root, attributes } = checkXml(text);
  if (fault !== undefined) return fault;
  if (root !== "svg") return `its root is <${root}> instead of <svg>`;
  return attributes?.get("xmlns") === "http://www.w3.org/2000/svg"
    ? undefined
    : "its root lacks the SVG namespace";
}

/**
 * Checks that a text is well-formed XML 1.0 from the safe subset: no DOCTYPE, therefore no entities,
 * and no processing instructions.
 */
export function checkXml(text: string): XmlResult {
  const open: string[] = [];
  let root: string | undefined;
  let attributes: ReadonlyMap<string, string> | undefined;
  let at = XML_DECLARATION.exec(text)?.[0].length ?? 0;
  while (at < text.length) {
    const next = text.indexOf("<", at);
    const content = text.slice(at, next < 0 ? undefined : next);
    if (open.length === 0 && content.trim() !== "") {
      return { fault: "it has text outside its root" };
    }
    if (XML_REFERENCE.test(content)) return { fault: "it has an undefined entity" };
    if (content.includes("]]>")) return { fault: "its text contains ]]>" };
    if (next < 0) break;
    at = next;
    if (text.startsWith("<!--", at)) {
      const end = text.indexOf("--", at + 4);
      if (end < 0 || text[end + 2] !== ">") return { fault: "a comment is not closed correctly" };
      at = end + 3;
    } else if (text.startsWith("<![CDATA[", at)) {
      const end = text.indexOf("]]>", at);
      if (open.length === 0 || end < 0) {
        return { fault: "a CDATA section is outside its root or not closed" };
      }
      at = end + 3;
    } else if (text.startsWith("<!", at)) {
      return { fault: "it has a DOCTYPE or a declaration" };
    } else if (text.startsWith("<?", at)) {
      return { fault: "it has a processing instruction" };
    } else if (text.startsWith("</", at)) {
      XML_END.lastIndex = at;
      const [whole = "", name] = XML_END.exec(text) ?? [];
      if (name === undefined || open.pop() !== name) {
        return { fault: "an end tag does not match the open element" };
      }
      at += whole.length;
    } else {
      XML_TAG.lastIndex = at;
      const tag = XML_TAG.exec(text);
      const name = tag?.[1];
      if (tag === null || name === undefined) return { fault: "a tag is not well-formed" };
      if (open.length === 0 && root !== undefined) return { fault: "it has more than one root" };
      const found = parseXmlAttributes(tag[2] ?? "");
      if (typeof found === "string") return { fault: found };
      if (root === undefined) [root, attributes] = [name, found];
      if (tag[3] !== "/" && open.push(name) > MAX_XML_DEPTH) {
        return { fault: `elements are nested more than ${MAX_XML_DEPTH} levels deep` };
      }
      at += tag[0].length;
    }
  }
  if (root === undefined || attributes === undefined) return { fault: "it has no element" };
  return open.length > 0 ? { fault: `<${open.at(-1)}> is not closed` } : { root, attributes };
}

/** Parses the attributes of one tag; a string is the fault. */
function parseXmlAttributes(text: string): Map<string, string> | string {
  const found = new Map<string, string>();
  for (const [, name = "", double, single] of text.matchAll(XML_ATTRIBUTE)) {
    const value = double ?? single ?? "";
    if (found.has(name)) return `an element has the attribute ${name} twice`;
    if (XML_REFERENCE.test(value)) return "it has an undefined entity";
    found.set(name, value);
  }
  return found;
}
