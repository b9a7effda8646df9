/**
 * Paths that clients name: arguments of tools, and URIs of resources. Each becomes a path of this
 * server below a namespace of worlds. Another server, a route of the core or of a plugin cannot be
 * named.
 */

import { encodePath } from "../kit/encode_path.ts";
import { NAMESPACES, worldNameFault } from "../kit/world_name.ts";
import { MAX_PATH_CHARS } from "./limits.ts";

/** Start of the URI of every resource; the path of the world follows. */
export const URI_START = "elastik://";

/** Why a path cannot be used, as the end of a sentence about it. */
export interface PathFault {
  readonly fault: string;
}

/** A world or a collection. */
export interface NamedPath {
  /** Name without a slash in front and at the end; `""` for the root. */
  readonly name: string;
  /** Whether the path ends in a slash, so it names a collection. */
  readonly isCollection: boolean;
}

/**
 * Reads a path as a tool receives it: `/home/x`, `home/x`, or the URI of a resource.
 *
 * @param given the argument; a slash at the end names a collection
 */
export function readPath(given: string): NamedPath | PathFault {
  if (given.length > MAX_PATH_CHARS) {
    return { fault: `it has more than ${MAX_PATH_CHARS} characters` };
  }
  if (given.startsWith(URI_START)) return readUri(given);
  const path = given.normalize("NFC");
  const isCollection = path.endsWith("/");
  const name = path.replace(/^\//, "").replace(/\/$/, "");
  if (name === "" || NAMESPACES.includes(name)) return { name, isCollection: true };
  const fault = worldNameFault(name);
  return fault === undefined ? { name, isCollection } : { fault };
}

/** Reads the URI of a resource: `elastik:///home/x`, percent-encoded. */
export function readUri(uri: string): NamedPath | PathFault {
  if (uri.length > MAX_PATH_CHARS) {
    return { fault: `it has more than ${MAX_PATH_CHARS} characters` };
  }
  if (!uri.startsWith(`${URI_START}/`)) return { fault: `a URI begins with ${URI_START}/` };
  if (/[?#]/.test(uri)) return { fault: "a URI of a world has no query and no fragment" };
  try {
    return readPath(decodeURIComponent(uri.slice(URI_START.length)));
  } catch {
    return { fault: "its percent-encoding is invalid" };
  }
}

/** Returns the URI of a world. */
export function worldUri(name: string): string {
  return `${URI_START}/${encodePath(name)}`;
}

/** Returns the URL path of a world or of a collection, percent-encoded. */
export function urlPath({ name, isCollection }: NamedPath): string {
  return `/${encodePath(name)}${isCollection && name !== "" ? "/" : ""}`;
}
