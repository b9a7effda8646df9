/**
 * URLs in the Destination and If headers: converted to canonical paths with the parser of request
 * targets. URLs of another server, and Destination URLs outside `/dav`, are refused. Several clients
 * send UTF-8 in these headers without percent-encoding; the bytes are decoded or refused, so that no
 * other name is used.
 */

import { parseAuthority, readHost } from "../../http/host.ts";
import { parseTarget, type RequestTarget } from "../../http/path.ts";
import { Problem } from "../../http/problem.ts";
import { isInNamespace } from "../../world/name.ts";
import { DAV_ROOT } from "./dav_problem.ts";

const ABSOLUTE = /^(https?):\/\/([^/?#]*)(\/.*)?$/i;
/** Header values have one character per byte. */
const NOT_ASCII = /[\u0080-\u00ff]/;
const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const DEFAULT_PORTS: Readonly<Record<string, string>> = { http: "80", https: "443" };

/**
 * Parses a URL of this server. Schemes are not compared, because a proxy can terminate TLS.
 *
 * @param sent absolute URL or absolute path, one character per byte
 * @param authority host and port of the request, as in its Host header
 * @returns the target, or `undefined` if the URL belongs to another server
 * @throws {Problem} `bad-path`, `uri-too-long`; `bad-header` if it is not a URL or not UTF-8
 */
export function parseOwnUrl(sent: string, authority: string): RequestTarget | undefined {
  const url = decodeBytes(sent);
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

function decodeBytes(sent: string): string {
  if (!NOT_ASCII.test(sent)) return sent;
  try {
    return utf8.decode(Uint8Array.from(sent, (char) => char.charCodeAt(0)));
  } catch {
    throw new Problem(
      "bad-header",
      "Cannot read the URL in a header: its bytes are not UTF-8; send percent-encoded UTF-8",
    );
  }
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
 * @throws {Problem} `bad-header` if the header is missing, `foreign-destination` if the URL is not
 * below `/dav` of this server, and the problems of {@link parseOwnUrl}
 */
export function readDestination(request: Request): RequestTarget {
  const target = parseDestination(request);
  const world = target === undefined ? undefined : toWorldTarget(target);
  if (world !== undefined && world.query === "") return world;
  throw new Problem(
    "foreign-destination",
    `Cannot ${request.method}: the Destination is not below ${DAV_ROOT}/ of this server`,
  );
}

/**
 * Reads the Destination header of a MOVE on a plain path: the URL of the world, without `/dav`.
 *
 * @returns target of the destination world
 * @throws {Problem} `bad-header` if the header is missing or its URL has a query, `foreign-destination`
 * if the URL belongs to another server or is not the path of a world, and the problems of
 * {@link parseOwnUrl}
 */
export function readPlainDestination(request: Request): RequestTarget {
  const target = parseDestination(request);
  if (target === undefined) {
    throw new Problem(
      "foreign-destination",
      "Cannot MOVE: the Destination is on another server; send a path such as /home/y",
    );
  }
  if (target.query !== "") {
    throw new Problem("bad-header", "Cannot MOVE: the Destination has a query; send the path only");
  }
  if (isInNamespace(target.name)) return target;
  throw new Problem(
    "foreign-destination",
    `Cannot MOVE: the Destination ${target.path} is not the path of a world; send a path such as /home/y`,
  );
}

/** Reads the Destination header; undefined for a URL of another server. */
function parseDestination(request: Request): RequestTarget | undefined {
  const sent = request.headers.get("destination");
  if (sent === null) {
    throw new Problem(
      "bad-header",
      `Cannot ${request.method}: the Destination header is missing; send the URL of the new resource`,
    );
  }
  return parseOwnUrl(sent.replace(/^[ \t]+|[ \t]+$/g, ""), readHost(request));
}
