/**
 * URLs in the Destination and If headers: converted to canonical paths with the parser of request
 * targets. URLs of another server, and Destination URLs outside `/dav`, are refused.
 */

import { parseAuthority, readHost } from "../../http/host.ts";
import { parseTarget, type RequestTarget } from "../../http/path.ts";
import { Problem } from "../../http/problem.ts";
import { DAV_ROOT } from "./dav_problem.ts";

const ABSOLUTE = /^(https?):\/\/([^/?#]*)(\/.*)?$/i;
const DEFAULT_PORTS: Readonly<Record<string, string>> = { http: "80", https: "443" };

/**
 * Parses a URL of this server. Schemes are not compared, because a proxy can terminate TLS.
 *
 * @param url absolute URL or absolute path
 * @param authority host and port of the request, as in its Host header
 * @returns the target, or `undefined` if the URL belongs to another server
 * @throws {Problem} `bad-path`, `uri-too-long`; `bad-header` if it is not a URL
 */
export function parseOwnUrl(url: string, authority: string): RequestTarget | undefined {
  if (url.startsWith("/") && !url.startsWith("//")) return parseTarget(`http://own${url}`);
  const [, scheme = "", host = "", path = "/"] = ABSOLUTE.exec(url) ?? [];
  if (scheme === "") {
    throw new Problem(
      "bad-header",
      "Cannot read the URL in a header: it is not valid; send an absolute URL or an absolute path",
    );
  }
  const port = DEFAULT_PORTS[scheme.toLowerCase()] ?? "";
  const named = parseAuthority(host);
  const own = parseAuthority(authority);
  if (named === undefined || own === undefined || named.host !== own.host) return undefined;
  if ((named.port || port) !== (own.port || port)) return undefined;
  return parseTarget(`http://own${path}`);
}

/**
 * Converts the target of a WebDAV resource to that of its world: `/dav/home/a.txt` becomes
 * `/home/a.txt`. Returns `undefined` for targets outside `/dav`.
 */
export function toWorldTarget(target: RequestTarget): RequestTarget | undefined {
  const { path } = target;
  if (path === DAV_ROOT) return { ...target, path: "/", name: "", isCollection: true };
  if (!path.startsWith(`${DAV_ROOT}/`)) return undefined;
  const worldPath = path.slice(DAV_ROOT.length);
  return { ...target, path: worldPath, name: worldPath.slice(1) };
}

/**
 * Reads the Destination header of COPY and MOVE (RFC 4918 §10.3).
 *
 * @returns target of the destination world
 * @throws {Problem} `bad-header` if the header is missing, `bad-gateway` if the URL is not below
 * `/dav` of this server, and the problems of {@link parseOwnUrl}
 */
export function readDestination(request: Request): RequestTarget {
  const sent = request.headers.get("destination");
  if (sent === null) {
    throw new Problem(
      "bad-header",
      `Cannot ${request.method}: the Destination header is missing; send the URL of the new resource`,
    );
  }
  const target = parseOwnUrl(sent.trim(), readHost(request));
  const world = target === undefined ? undefined : toWorldTarget(target);
  if (world !== undefined && world.query === "") return world;
  throw new Problem(
    "bad-gateway",
    `Cannot ${request.method}: the Destination is not below ${DAV_ROOT}/ of this server`,
  );
}
