/** The path that a client requested and that does not exist. */

import { NAMESPACES } from "../kit/world_name.ts";
import { foldText } from "./words.ts";

/** A requested path. */
export interface RequestedPath {
  /** Decoded, without a slash at the end. */
  readonly path: string;
  /** Whether it ended in a slash, so that only collections match. */
  readonly isCollection: boolean;
  /** Query with its `?`, or an empty text. */
  readonly query: string;
  /** Folded segments. */
  readonly segments: readonly string[];
  /** Namespace of the path; undefined if its first segment is not a namespace. */
  readonly namespace: string | undefined;
}

/** Namespaces whose worlds are never proposed, and in which nothing is searched. */
export const HIDDEN_NAMESPACES: readonly string[] = ["usr", "var", "lib", "boot"];
/** Paths that programs request of every host, such as `/.env` and `/favicon.ico`. */
const PROBED_PATH =
  /\/\.|\.(?:php|aspx?|jsp|cgi|env)$|^\/(?:favicon\.ico|robots\.txt|sitemap\.xml|ads\.txt|apple-touch-icon[^/]*)$/i;

/** Reads the path of a request. */
export function readRequestedPath({ pathname, search }: URL): RequestedPath {
  const decoded = decodeURIComponent(pathname);
  const path = decoded.replace(/(?<=.)\/$/, "");
  const [first = "", ...rest] = path.slice(1).split("/");
  return {
    path,
    isCollection: decoded.endsWith("/"),
    query: search,
    segments: [first, ...rest].map(foldText),
    namespace: NAMESPACES.includes(first) ? first : undefined,
  };
}

/** Tests whether a path can be meant for a world: not one that a script or a scanner requested. */
export function isResolvable({ path, namespace }: RequestedPath, headers: Headers): boolean {
  const mode = headers.get("sec-fetch-mode");
  if (mode !== null && mode !== "navigate") return false;
  if (PROBED_PATH.test(path)) return false;
  return namespace === undefined || !HIDDEN_NAMESPACES.includes(namespace);
}
