/**
 * What a PROPFIND asks for (RFC 4918 §9.1, §14.20): all properties, their names, or these.
 */

import { Problem } from "../../http/problem.ts";
import { childElements, findDavChild, isDavName } from "../xml/xml_reader.ts";
import { toNameKey, type XmlElement, type XmlName } from "../xml/xml_writer.ts";

/** Most properties one PROPFIND may name. */
const MAX_NAMES = 256;

/** One of the three questions. */
export type PropfindRequest =
  | { readonly kind: "propname" }
  | { readonly kind: "allprop"; readonly include: readonly XmlName[] }
  | { readonly kind: "prop"; readonly names: readonly XmlName[] };

/**
 * Reads `DAV:propfind`; an absent body asks for everything.
 *
 * @throws {Problem} `bad-body`
 */
export function parsePropfind(root: XmlElement | undefined): PropfindRequest {
  if (root === undefined) return { kind: "allprop", include: [] };
  if (!isDavName(root, "propfind")) refuse("the root element is not DAV:propfind");
  const prop = findDavChild(root, "prop");
  const all = findDavChild(root, "allprop");
  const names = findDavChild(root, "propname");
  const asked = [prop, all, names].filter((element) => element !== undefined);
  if (asked.length !== 1) refuse(`it holds ${asked.length} of prop, allprop and propname`);
  if (names !== undefined) return { kind: "propname" };
  if (prop !== undefined) return { kind: "prop", names: namesIn(prop) };
  const include = findDavChild(root, "include");
  return { kind: "allprop", include: include === undefined ? [] : namesIn(include) };
}

function namesIn(element: XmlElement): XmlName[] {
  const found = new Map<string, XmlName>();
  for (const { ns, name } of childElements(element)) {
    found.set(toNameKey({ ns, name }), { ns, name });
  }
  if (found.size > MAX_NAMES) {
    refuse(`it names ${found.size} properties and ${MAX_NAMES} is the most`);
  }
  return [...found.values()];
}

function refuse(found: string): never {
  throw new Problem(
    "bad-body",
    `Cannot read PROPFIND: ${found}; one DAV:propfind with prop, allprop or propname is needed`,
  );
}
