/**
 * Writes the XML of WebDAV responses: escapes text, and writes elements with all their namespace
 * declarations, so that they can be inserted into any document. The output is well-formed XML 1.0
 * for every input text.
 */

/** The namespace of the elements of WebDAV (RFC 4918 §14). */
export const DAV_NAMESPACE = "DAV:";
const XML = "http://www.w3.org/XML/1998/namespace";

/** A name with its namespace; `""` means without a namespace. */
export interface XmlName {
  readonly ns: string;
  readonly name: string;
}

/** An attribute; namespace declarations are not attributes here. */
export interface XmlAttribute extends XmlName {
  readonly value: string;
}

/** An element with resolved namespaces. */
export interface XmlElement extends XmlName {
  readonly attributes: readonly XmlAttribute[];
  readonly children: readonly (XmlElement | string)[];
}

const SPECIAL = /[&<>"'\r\n\t]/;
const SPECIALS = /[&<>"'\r\n\t]/g;
const ESCAPES: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&apos;",
};
// deno-lint-ignore no-control-regex -- characters that XML 1.0 §2.2 does not allow
const NO_CHAR = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/;

/** Whether XML allows every character of a text (XML 1.0 §2.2). */
export function isXmlText(text: string): boolean {
  return text.isWellFormed() && !NO_CHAR.test(text);
}

/** Escapes text for element content and attribute values; characters not allowed become U+FFFD. */
export function escapeXml(text: string): string {
  const clean = isXmlText(text)
    ? text
    : text.toWellFormed().replace(new RegExp(NO_CHAR, "g"), "\ufffd");
  return SPECIAL.test(clean)
    ? clean.replace(SPECIALS, (char) => ESCAPES[char] ?? `&#${char.charCodeAt(0)};`)
    : clean;
}

/** Converts a name to one string that can be a map key: `{DAV:}getetag`. */
export function toNameKey({ ns, name }: XmlName): string {
  return `{${ns}}${name}`;
}

/**
 * Writes an empty element.
 *
 * @param name name of the element; its local part must be an NCName, as the XML reader checks
 */
export function writeEmptyElement({ ns, name }: XmlName): string {
  if (ns === DAV_NAMESPACE) return `<D:${name}/>`;
  return ns === "" ? `<${name}/>` : `<N:${name} xmlns:N="${escapeXml(ns)}"/>`;
}

/**
 * Writes an element with declarations of all namespaces that it uses, so that it has the same
 * meaning in every document. Prefixes are not preserved: RFC 4918 §4.3 requires only that names and
 * values are. Each namespace is declared once, by the outermost element, so that the length of the
 * output is proportional to that of the input.
 */
export function writeElement(element: XmlElement): string {
  const prefixes = new Map<string, string>();
  const { start, content, tag } = writeParts(element, prefixes);
  const declared = [...prefixes].map(([ns, prefix]) => ` xmlns:${prefix}="${escapeXml(ns)}"`);
  return joinParts(
    start.slice(0, tag.length) + declared.join("") + start.slice(tag.length),
    content,
    tag,
  );
}

/** An element: its qualified name, its start tag without brackets, and its content. */
interface ElementParts {
  readonly tag: string;
  readonly start: string;
  readonly content: string;
}

/** @param prefixes prefixes by namespace; the namespaces of the element are added */
function writeParts(element: XmlElement, prefixes: Map<string, string>): ElementParts {
  function prefixed({ ns, name }: XmlName): string {
    if (ns === "") return name;
    if (ns === XML) return `xml:${name}`;
    let prefix = prefixes.get(ns);
    if (prefix === undefined) prefixes.set(ns, prefix = `n${prefixes.size}`);
    return `${prefix}:${name}`;
  }
  const tag = prefixed(element);
  const attributes = element.attributes
    .map((attribute) => ` ${prefixed(attribute)}="${escapeXml(attribute.value)}"`).join("");
  const content = element.children.map((child) => {
    if (typeof child === "string") return escapeXml(child);
    const parts = writeParts(child, prefixes);
    return joinParts(parts.start, parts.content, parts.tag);
  }).join("");
  return { tag, start: tag + attributes, content };
}

function joinParts(start: string, content: string, tag: string): string {
  return content === "" ? `<${start}/>` : `<${start}>${content}</${tag}>`;
}
