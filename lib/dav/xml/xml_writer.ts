/**
 * XML on its way out: escaping, and elements written so that they stand on their own wherever they
 * are pasted. Whatever text comes in, what goes out is well-formed XML 1.0.
 */

/** The namespace of WebDAV's own elements (RFC 4918 §14). */
export const DAV_NAMESPACE = "DAV:";
const XML = "http://www.w3.org/XML/1998/namespace";

/** A name with its namespace; `""` is none. */
export interface XmlName {
  readonly ns: string;
  readonly name: string;
}

/** An attribute; namespace declarations are none. */
export interface XmlAttribute extends XmlName {
  readonly value: string;
}

/** An element with its namespaces resolved. */
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
// deno-lint-ignore no-control-regex -- characters that XML 1.0 §2.2 has no place for
const NO_CHAR = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/;

/** Whether every character of a text may stand in an XML document (XML 1.0 §2.2). */
export function isXmlText(text: string): boolean {
  return text.isWellFormed() && !NO_CHAR.test(text);
}

/** A text as element content or attribute value; what XML has no character for becomes U+FFFD. */
export function escapeXml(text: string): string {
  const clean = isXmlText(text)
    ? text
    : text.toWellFormed().replace(new RegExp(NO_CHAR, "g"), "\ufffd");
  return SPECIAL.test(clean)
    ? clean.replace(SPECIALS, (char) => ESCAPES[char] ?? `&#${char.charCodeAt(0)};`)
    : clean;
}

/** One string for a name, to look it up by: `{DAV:}getetag`. */
export function toNameKey({ ns, name }: XmlName): string {
  return `{${ns}}${name}`;
}

/**
 * An empty element of this name.
 *
 * @param name its local part is an NCName; whoever reads XML from strangers has checked it
 */
export function writeEmptyElement({ ns, name }: XmlName): string {
  if (ns === DAV_NAMESPACE) return `<D:${name}/>`;
  return ns === "" ? `<${name}/>` : `<N:${name} xmlns:N="${escapeXml(ns)}"/>`;
}

/**
 * Writes an element with every namespace declared that it needs, so that it reads the same in any
 * document. The prefixes are ours: RFC 4918 §4.3 asks for names and values, not for spellings.
 */
export function writeElement(element: XmlElement): string {
  return write(element, new Map());
}

function write(element: XmlElement, known: ReadonlyMap<string, string>): string {
  const scope = new Map(known);
  let declared = "";
  function prefixed({ ns, name }: XmlName): string {
    if (ns === "") return name;
    if (ns === XML) return `xml:${name}`;
    let prefix = scope.get(ns);
    if (prefix === undefined) {
      prefix = `n${scope.size}`;
      scope.set(ns, prefix);
      declared += ` xmlns:${prefix}="${escapeXml(ns)}"`;
    }
    return `${prefix}:${name}`;
  }
  const tag = prefixed(element);
  const attributes = element.attributes
    .map((attribute) => ` ${prefixed(attribute)}="${escapeXml(attribute.value)}"`).join("");
  const content = element.children
    .map((child) => typeof child === "string" ? escapeXml(child) : write(child, scope)).join("");
  const start = `${tag}${declared}${attributes}`;
  return content === "" ? `<${start}/>` : `<${start}>${content}</${tag}>`;
}
