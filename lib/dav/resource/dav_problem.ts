/**
 * Problems of WebDAV: a `Problem` with a precondition or postcondition code of RFC 4918 §16, sent
 * as the XML that WebDAV clients read. Also the URL paths of resources in that XML.
 */

import { UNCACHED_HEADERS } from "../../http/headers.ts";
import { encodePath } from "../../http/path.ts";
import { Problem, type ProblemType } from "../../http/problem.ts";
import { escapeXml } from "../xml/xml_writer.ts";

/** The condition codes of RFC 4918 §16 that the server sends. */
export type DavCondition =
  | "lock-token-matches-request-uri"
  | "lock-token-submitted"
  | "no-conflicting-lock"
  | "propfind-finite-depth"
  | "cannot-modify-protected-property";

/** URL path below which all WebDAV resources are. */
export const DAV_ROOT = "/dav";

/** Paths that percent-encoding does not change. */
const PLAIN = /^[A-Za-z0-9/_.~-]+$/;

/**
 * Converts a path to the percent-encoded URL path of the WebDAV resource (RFC 4918 §5.2).
 *
 * @param path canonical path of the world, such as `/home/a.txt`
 * @param collection whether the URL path ends with a slash
 */
export function toHref(path: string, collection: boolean): string {
  if (path === "/") return `${DAV_ROOT}/`;
  const encoded = PLAIN.test(path) ? path : encodePath(path);
  return collection ? `${DAV_ROOT}${encoded}/` : DAV_ROOT + encoded;
}

/** A problem with a condition code. */
export class DavProblem extends Problem {
  /** @param paths canonical paths of the resources for which the condition failed */
  constructor(
    type: ProblemType,
    readonly condition: DavCondition,
    detail: string,
    readonly paths: readonly string[] = [],
  ) {
    super(type, detail);
  }

  /** Content of the `DAV:error` element. */
  get xml(): string {
    const hrefs = this.paths.map((path) => `<D:href>${toHref(path, false)}</D:href>`).join("");
    return `<D:${this.condition}>${hrefs}</D:${this.condition}>`;
  }
}

/** Returns a problem as a `DAV:error` response (RFC 4918 §14.5) with the detail as description. */
export function davErrorResponse(problem: DavProblem): Response {
  const description = escapeXml(problem.detail);
  return new Response(
    `<?xml version="1.0" encoding="utf-8"?>\n<D:error xmlns:D="DAV:">${problem.xml}` +
      `<D:responsedescription>${description}</D:responsedescription></D:error>\n`,
    {
      status: problem.status,
      headers: {
        ...problem.headers,
        "content-type": "application/xml; charset=utf-8",
        ...UNCACHED_HEADERS,
      },
    },
  );
}
