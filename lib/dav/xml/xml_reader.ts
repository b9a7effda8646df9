/**
 * XML on its way in: bytes from a stranger become a tree with its namespaces resolved, or a 400.
 * There are no document types here and so no entities but the five of XML itself; size and depth are
 * bounded before anything is built of them.
 */

import { XMLParser, XMLValidator } from "../../deps/fast_xml_parser.ts";
import { readBody } from "../../http/read_body.ts";
import { Problem } from "../../http/problem.ts";
import { MAX_DAV_XML_BYTES, MAX_DAV_XML_DEPTH } from "../../limits.ts";
import {
  DAV_NAMESPACE,
  isXmlText,
  type XmlAttribute,
  type XmlElement,
  type XmlName,
} from "./xml_writer.ts";

const ATTRIBUTES = ":@";
const TEXT = "#text";
const CDATA = "#cdata";
const XML = "http://www.w3.org/XML/1998/namespace";
const XMLNS = "http://www.w3.org/2000/xmlns/";
const NC_NAME = /^[\p{L}_][\p{L}\p{M}\p{N}._\u00b7-]*$/u;
const REFERENCE = /&(?:#(\d{1,7})|#x([0-9a-fA-F]{1,6})|([a-z]+));|&/g;
const PREDEFINED: ReadonlyMap<string, string> = new Map([
  ["amp", "&"],
  ["lt", "<"],
  ["gt", ">"],
  ["quot", '"'],
  ["apos", "'"],
]);

const parser = new XMLParser({
  preserveOrder: true,
  ignoreAttributes: false,
  attributeNamePrefix: "",
  processEntities: false,
  htmlEntities: false,
  trimValues: false,
  parseTagValue: false,
  parseAttributeValue: false,
  cdataPropName: CDATA,
  ignoreDeclaration: true,
  ignorePiTags: true,
  maxNestedTags: MAX_DAV_XML_DEPTH,
});

type Scope = ReadonlyMap<string, string>;

/**
 * The root element of a request's body; `undefined` when the body is empty.
 *
 * @throws {Problem} `bad-body`, `body-too-large`
 */
export async function readXml(request: Request): Promise<XmlElement | undefined> {
  const bytes = await readBody(request, MAX_DAV_XML_BYTES);
  return bytes.length === 0 ? undefined : parseXml(bytes);
}

/**
 * Reads one document (XML 1.0, Namespaces in XML 1.0).
 *
 * @throws {Problem} `bad-body` for what is not well-formed UTF-8 XML, has a document type, an entity
 * of its own, a prefix nobody declared, or more than {@link MAX_DAV_XML_DEPTH} levels
 */
export function parseXml(bytes: Uint8Array): XmlElement {
  const text = decode(bytes);
  // Nothing WebDAV sends has one, and all that XML can do to its reader begins there.
  if (/<!(?!--|\[CDATA\[)/.test(text)) refuse("it declares a document type or an entity");
  if (!isXmlText(text)) refuse("it holds a character that XML has none for");
  let nodes: unknown;
  try {
    nodes = parser.parse(text);
  } catch {
    // The parser's own words would repeat the stranger's.
    refuse(`it is not well-formed, or has more than ${MAX_DAV_XML_DEPTH} levels`);
  }
  if (XMLValidator.validate(text) !== true) refuse("it is not well-formed");
  const roots = contentOf(nodes, new Map([["xml", XML], ["", ""]]))
    .filter((node) => typeof node !== "string");
  const [root] = roots;
  if (root === undefined || roots.length !== 1) refuse("it has not one root element");
  return root;
}

/** The first child element of this name in the DAV: namespace. */
export function findDavChild(element: XmlElement, name: string): XmlElement | undefined {
  return childElements(element).find((child) => isDavName(child, name));
}

/** The child elements, without the text between. */
export function childElements({ children }: XmlElement): readonly XmlElement[] {
  return children.filter((child) => typeof child !== "string");
}

/** Whether a name is this one of the DAV: namespace. */
export function isDavName({ ns, name }: XmlName, expected: string): boolean {
  return ns === DAV_NAMESPACE && name === expected;
}

function decode(bytes: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    return refuse("it is not UTF-8");
  }
}

function contentOf(nodes: unknown, scope: Scope): (XmlElement | string)[] {
  if (!Array.isArray(nodes)) return refuse("it is not well-formed");
  const content: (XmlElement | string)[] = [];
  for (const node of nodes) {
    if (!isRecord(node)) continue;
    const text = node[TEXT];
    const literal = node[CDATA];
    if (text !== undefined) content.push(unescapeXml(String(text)));
    else if (literal !== undefined) content.push(literalText(literal));
    else content.push(elementOf(node, scope));
  }
  return content;
}

function literalText(nodes: unknown): string {
  if (!Array.isArray(nodes)) return "";
  return nodes.map((node) => isRecord(node) ? String(node[TEXT] ?? "") : "").join("");
}

function elementOf(node: Record<string, unknown>, outer: Scope): XmlElement {
  const tag = Object.keys(node).find((key) => key !== ATTRIBUTES) ?? "";
  const found = node[ATTRIBUTES];
  const pairs = isRecord(found)
    ? Object.entries(found).map(([key, value]) => [key, unescapeXml(String(value))] as const)
    : [];
  const scope = declarations(pairs, outer);
  const attributes: XmlAttribute[] = [];
  for (const [key, value] of pairs) {
    if (key === "xmlns" || key.startsWith("xmlns:")) continue;
    // Namespaces in XML §6.2: an attribute without a prefix is in no namespace.
    const name = key.includes(":") ? resolve(key, scope) : { ns: "", name: ncName(key) };
    attributes.push({ ...name, value });
  }
  return { ...resolve(tag, scope), attributes, children: contentOf(node[tag], scope) };
}

function declarations(pairs: readonly (readonly [string, string])[], outer: Scope): Scope {
  let scope: Map<string, string> | undefined;
  for (const [key, value] of pairs) {
    if (key !== "xmlns" && !key.startsWith("xmlns:")) continue;
    const prefix = key === "xmlns" ? "" : ncName(key.slice(6));
    // Namespaces in XML §2.2 and §3: a prefix cannot be taken back, and two of them are spoken for.
    if (prefix !== "" && value === "") {
      refuse(`it declares the prefix ${prefix.slice(0, 40)} empty`);
    }
    if (prefix === "xmlns" || (prefix === "xml") !== (value === XML) || value === XMLNS) {
      refuse("it declares a prefix that belongs to XML itself");
    }
    (scope ??= new Map(outer)).set(prefix, value);
  }
  return scope ?? outer;
}

function resolve(qualified: string, scope: Scope): XmlName {
  const colon = qualified.indexOf(":");
  const prefix = colon < 0 ? "" : qualified.slice(0, colon);
  const ns = scope.get(prefix);
  if (ns === undefined) refuse(`nobody declares its prefix ${prefix.slice(0, 40)}`);
  return { ns, name: ncName(qualified.slice(colon + 1)) };
}

function ncName(name: string): string {
  return NC_NAME.test(name) ? name : refuse(`${name.slice(0, 40)} is no XML name`);
}

function unescapeXml(text: string): string {
  if (!text.includes("&")) return text;
  return text.replace(REFERENCE, (whole, decimal?: string, hex?: string, named?: string) => {
    if (named !== undefined) return PREDEFINED.get(named) ?? refuse(`it refers to ${whole}`);
    if (decimal === undefined && hex === undefined) refuse("it holds a bare ampersand");
    const code = decimal === undefined ? parseInt(hex ?? "", 16) : Number(decimal);
    const char = code <= 0x10ffff ? String.fromCodePoint(code) : "";
    return char !== "" && isXmlText(char) ? char : refuse(`it refers to ${whole}`);
  });
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function refuse(found: string): never {
  throw new Problem(
    "bad-body",
    `Cannot read the XML: ${found}; send one well-formed document in UTF-8 without a document type`,
  );
}
