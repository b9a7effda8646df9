/** Problems for a response of a mounted web server that is not a success. */

import { MOUNT_TABLE } from "../../kit/mount_table.ts";
import { Problem } from "../../kit/problem.ts";
import { problemOfStatus } from "../../kit/problem_of_status.ts";

/** A response other than 2xx and 304. */
export interface UpstreamRefusal {
  readonly status: number;
  readonly headers: Headers;
  /** The first bytes of the content. */
  readonly start: Uint8Array;
}

/** Most characters of the server's text that are passed on. */
const MAX_QUOTED = 300;
/** Statuses whose problem types of this server describe a refusal of another server too. */
const SHARED_STATUSES = [400, 403, 404, 405, 409, 412, 413, 416, 429];

/**
 * The problem that a client gets. A 4xx status stays; any other becomes 502, and so do 401 and 407,
 * because the credential is the mount's and not the client's.
 *
 * @param bearer the mount's bearer, if it has one
 * @param path of the request
 */
export function upstreamProblem(
  { status, headers, start }: UpstreamRefusal,
  bearer: string | undefined,
  path: string,
): Problem {
  const text = quotedText(headers.get("content-type"), start);
  const detail = `Cannot read ${path}: its server answered ${status}${text && `: ${text}`}`;
  if (status === 401 || status === 407) {
    const found = bearer === undefined
      ? "the mount has no bearer"
      : "it does not accept the mount's bearer";
    return new Problem("bad-gateway", `${detail}; ${found}, see ${MOUNT_TABLE}`);
  }
  if (status < 400 || status >= 500) return new Problem("bad-gateway", detail);
  const shared = SHARED_STATUSES.includes(status) ? problemOfStatus(status) : undefined;
  const kind = shared ?? { type: "/usr/share/doc/mounts.md", status, title: "Upstream refused" };
  return new Problem(kind, detail, retryHeader(headers.get("retry-after")));
}

/** The start of a content that is text or JSON, on one line. */
function quotedText(contentType: string | null, start: Uint8Array): string {
  const isText = /^(?:text\/plain|application\/(?:[\w.+-]+\+)?json)/i.test(contentType ?? "");
  if (!isText) return "";
  return new TextDecoder().decode(start).slice(0, MAX_QUOTED)
    // deno-lint-ignore no-control-regex -- control characters and text direction are removed
    .replace(/[\u0000-\u0020\u007f-\u009f\u2028-\u202e\u2066-\u2069]+/g, " ").trim();
}

function retryHeader(value: string | null): Record<string, string> {
  return value !== null && /^[\w ,:]{1,40}$/.test(value) ? { "retry-after": value } : {};
}
