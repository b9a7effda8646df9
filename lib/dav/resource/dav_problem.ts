/**
 * Refusals of WebDAV: problems like all others, which also name the condition that was not met in the
 * words of RFC 4918 §16, for the clients that read them. Here they become the XML those clients know.
 */

import { encodePath } from "../../http/path.ts";
import { Problem, type ProblemType } from "../../http/problem.ts";
import { escapeXml } from "../xml/xml_writer.ts";

/** Conditions of RFC 4918 §16 that this machine names. */
export type DavCondition =
  | "lock-token-matches-request-uri"
  | "lock-token-submitted"
  | "no-conflicting-lock"
  | "propfind-finite-depth"
  | "cannot-modify-protected-property";

/** Where the resources of the machine stand in the URL space. */
export const DAV_ROOT = "/dav";

/** Paths that percent-encoding leaves as they are. */
const PLAIN = /^[A-Za-z0-9/_.~-]+$/;

/**
 * A resource's URL path, percent-encoded; a collection's ends in a slash (RFC 4918 §5.2).
 *
 * @param path canonical path of the world, `/home/a.txt`
 */
export function toHref(path: string, collection: boolean): string {
  if (path === "/") return `${DAV_ROOT}/`;
  const encoded = PLAIN.test(path) ? path : encodePath(path);
  return collection ? `${DAV_ROOT}${encoded}/` : DAV_ROOT + encoded;
}

/** A refusal with its condition. */
export class DavProblem extends Problem {
  /** @param paths canonical paths of the resources that the condition is about */
  constructor(
    type: ProblemType,
    readonly condition: DavCondition,
    detail: string,
    readonly paths: readonly string[] = [],
  ) {
    super(type, detail);
  }

  /** The content of the `DAV:error` element. */
  get xml(): string {
    const hrefs = this.paths.map((path) => `<D:href>${toHref(path, false)}</D:href>`).join("");
    return `<D:${this.condition}>${hrefs}</D:${this.condition}>`;
  }
}

/** The problem as `DAV:error` (RFC 4918 §14.5); the sentence goes with it as a comment would. */
export function davErrorResponse(problem: DavProblem): Response {
  const words = escapeXml(problem.detail);
  return new Response(
    `<?xml version="1.0" encoding="utf-8"?>\n<D:error xmlns:D="DAV:">${problem.xml}` +
      `<D:responsedescription>${words}</D:responsedescription></D:error>\n`,
    {
      status: problem.status,
      headers: {
        ...problem.headers,
        "content-type": "application/xml; charset=utf-8",
        "cache-control": "no-store",
        "x-content-type-options": "nosniff",
      },
    },
  );
}
