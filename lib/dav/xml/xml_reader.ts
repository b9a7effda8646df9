/**
 * Reads the XML of WebDAV requests (XML 1.0, Namespaces in XML 1.0): untrusted bytes become a tree
 * with resolved namespaces, or the request fails with 400. Document types are refused, so that the
 * five predefined entities are the only ones. Size and depth are limited before the tree is built.
 */

import { XMLParser, XMLValidator } from "../../deps/fast_xml_parser.ts";
import { type BodySource, readBody } from "../../http/read_body.ts";
import { Problem } from "../../http/problem.ts";
import { DAV_LIMITS, MAX_DAV_XML_DEPTH } from "../../dav_limits.ts";
import { countNodes } from "./count_nodes.ts";
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

/**
 * The namespaces that one element declares, by prefix, and the scope of the element around it. A copy
 * of the outer scope would make the time grow with the square of the size; a look-up reads at most
 * {@link MAX_DAV_XML_DEPTH} scopes.
 */
interface Scope {
  readonly declared: ReadonlyMap<string, string>;
  readonly outer?: Scope;
}

const ROOT_SCOPE: Scope = { declared: new Map([["xml", XML], ["", ""]]) };

/** What {@link readXml} depends on. */
export interface XmlReading {
  /** Longest body in bytes. */
  readonly maxBytes: number;
  /** Most nodes of the document. */
  readonly maxNodes: number;
  /** The connection of the client. */
  readonly source?: BodySource;
  /** Waits until the document can be parsed without a long delay of other requests. */
  readonly turn?: () => Promise<void> | undefined;
}

/**
 * Reads the body of a request as XML.
 *
 * @returns the root element, or `undefined` if the body is empty
 * @throws {Problem} `bad-body`; `body-too-large` if the body is too long
 */
export async function readXml(
  request: Request,
  { maxBytes, maxNodes, source, turn }: XmlReading,
): Promise<XmlElement | undefined> {
  const bytes = await readBody(request, maxBytes, source);
  if (bytes.length === 0) return undefined;
  await turn?.();
  return parseXml(bytes, maxNodes);
}

/** The document has too many nodes. */
export class TooManyNodes extends Problem {}

/**
 * Parses one XML document (XML 1.0, Namespaces in XML 1.0).
 *
 * @param maxNodes most elements and attributes of the document
 * @returns the root element
 * @throws {TooManyNodes}
 * @throws {Problem} `bad-body` if the bytes are not UTF-8 or not well-formed, or if the document
 * has a document type, an undeclared prefix or more than {@link MAX_DAV_XML_DEPTH} levels
 */
export function parseXml(bytes: Uint8Array, maxNodes: number = DAV_LIMITS.xmlNodes): XmlElement {
  const text = decode(bytes);
  if (countNodes(text, maxNodes) > maxNodes) {
    throw new TooManyNodes(
      "bad-body",
      `Cannot read the XML: it has more than ${maxNodes} elements and attributes; send several requests`,
    );
  }
  // WebDAV needs no document type, and attacks such as entity expansion require one.
  if (/<!(?!--|\[CDATA\[)/.test(text)) refuse("it declares a document type or an entity");
  if (!isXmlText(text)) refuse("it contains a character that XML does not allow");
  let nodes: unknown;
  try {
    nodes = parser.parse(text);
  } catch {
    // The parser's message is not used, because it quotes the untrusted input.
    refuse(`it is not well-formed, or has more than ${MAX_DAV_XML_DEPTH} levels`);
  }
  if (XMLValidator.validate(text) !== true) refuse("it is not well-formed");
  const roots = contentOf(nodes, ROOT_SCOPE)
    .filter((node) => typeof node !== "string");
  const [root] = roots;
  if (root === undefined || roots.length !== 1) refuse("it does not have exactly one root element");
  return root;
}

/** Returns the first child element with this local name in the `DAV:` namespace. */
export function findDavChild(element: XmlElement, name: string): XmlElement | undefined {
  return childElements(element).find((child) => isDavName(child, name));
}

/** Returns the child elements without the text between them. */
export function childElements({ children }: XmlElement): readonly XmlElement[] {
  return children.filter((child) => typeof child !== "string");
}

/** Whether a name is in the `DAV:` namespace and has this local name. */
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
  let declared: Map<string, string> | undefined;
  for (const [key, value] of pairs) {
    if (key !== "xmlns" && !key.startsWith("xmlns:")) continue;
    const prefix = key === "xmlns" ? "" : ncName(key.slice(6));
    // Namespaces in XML §2.2 and §3: a prefix cannot be undeclared, and two prefixes are reserved.
    if (prefix !== "" && value === "") {
      refuse(`it declares the prefix ${prefix.slice(0, 40)} with an empty value`);
    }
    if (prefix === "xmlns" || (prefix === "xml") !== (value === XML) || value === XMLNS) {
      refuse("it declares a prefix that is reserved by XML");
    }
    (declared ??= new Map()).set(prefix, value);
  }
  return declared === undefined ? outer : { declared, outer };
}

function findNamespace(prefix: string, scope: Scope): string | undefined {
  for (let at: Scope | undefined = scope; at !== undefined; at = at.outer) {
    const ns = at.declared.get(prefix);
    if (ns !== undefined) return ns;
  }
  return undefined;
}

function resolve(qualified: string, scope: Scope): XmlName {
  const colon = qualified.indexOf(":");
  const prefix = colon < 0 ? "" : qualified.slice(0, colon);
  const ns = findNamespace(prefix, scope);
  if (ns === undefined) refuse(`the prefix ${prefix.slice(0, 40)} is not declared`);
  return { ns, name: ncName(qualified.slice(colon + 1)) };
}

function ncName(name: string): string {
  return NC_NAME.test(name) ? name : refuse(`${name.slice(0, 40)} is not an XML name`);
}

function unescapeXml(text: string): string {
  if (!text.includes("&")) return text;
  return text.replace(REFERENCE, (whole, decimal?: string, hex?: string, named?: string) => {
    if (named !== undefined) return PREDEFINED.get(named) ?? refuse(`it refers to ${whole}`);
    if (decimal === undefined && hex === undefined) {
      refuse("it contains an ampersand that does not start a reference");
    }
    const code = decimal === undefined ? parseInt(hex ?? "", 16) : Number(decimal);
    // Most references; the checks below would make many of them slow.
    if (code >= 0x20 && code < 0xd800) return String.fromCharCode(code);
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
