/**
 * Parses the body of a PROPFIND request (RFC 4918 §9.1, §14.20): all properties, all names, or the
 * named properties.
 */

import { DAV_LIMITS } from "../../dav_limits.ts";
import { Problem } from "../../http/problem.ts";
import { DavLimiter } from "../resource/dav_limiter.ts";
import { childElements, findDavChild, isDavName } from "../xml/xml_reader.ts";
import { toNameKey, type XmlElement, type XmlName } from "../xml/xml_writer.ts";

/** One of the three forms of a PROPFIND request. */
export type PropfindRequest =
  | { readonly kind: "propname" }
  | { readonly kind: "allprop"; readonly include: readonly XmlName[] }
  | { readonly kind: "prop"; readonly names: readonly XmlName[] };

/**
 * Parses a `DAV:propfind` element.
 *
 * @param root root element of the body; `undefined`, for an empty body, requests all properties
 * @throws {Problem} `bad-body`
 */
export function parsePropfind(
  root: XmlElement | undefined,
  limiter: DavLimiter = new DavLimiter(DAV_LIMITS),
): PropfindRequest {
  if (root === undefined) return { kind: "allprop", include: [] };
  if (!isDavName(root, "propfind")) refuse("the root element is not DAV:propfind");
  const prop = findDavChild(root, "prop");
  const all = findDavChild(root, "allprop");
  const names = findDavChild(root, "propname");
  const forms = [prop, all, names].filter((element) => element !== undefined);
  if (forms.length !== 1) refuse(`it contains ${forms.length} of prop, allprop and propname`);
  if (names !== undefined) return { kind: "propname" };
  if (prop !== undefined) return { kind: "prop", names: namesIn(prop, limiter) };
  const include = findDavChild(root, "include");
  return { kind: "allprop", include: include === undefined ? [] : namesIn(include, limiter) };
}

function namesIn(element: XmlElement, limiter: DavLimiter): XmlName[] {
  const max = limiter.limits.names;
  const found = new Map<string, XmlName>();
  for (const { ns, name } of childElements(element)) {
    found.set(toNameKey({ ns, name }), { ns, name });
    // Checked in the loop: each key contains the whole namespace, which can be long.
    if (found.size > max) {
      throw limiter.refuse("names", problem(`it names more than ${max} properties`));
    }
  }
  return [...found.values()];
}

function refuse(found: string): never {
  throw problem(found);
}

function problem(found: string): Problem {
  return new Problem(
    "bad-body",
    `Cannot read PROPFIND: ${found}; send one DAV:propfind with prop, allprop or propname`,
  );
}
