/**
 * URLs inside requests, of Destination and of If: brought to canonical paths by the one function that
 * reads paths, and turned away when they lead to another machine or out of WebDAV's part of this one.
 */

import { parseAuthority, readHost } from "../../http/host.ts";
import { parseTarget, type RequestTarget } from "../../http/path.ts";
import { Problem } from "../../http/problem.ts";
import { DAV_ROOT } from "./dav_problem.ts";

const ABSOLUTE = /^(https?):\/\/([^/?#]*)(\/.*)?$/i;
const DEFAULT_PORTS: Readonly<Record<string, string>> = { http: "80", https: "443" };

/**
 * The target of a URL if it is one of this machine's; `undefined` when it is another's. Schemes are
 * not compared, since a proxy may end TLS.
 *
 * @param authority the one this request was sent to
 * @throws {Problem} `bad-path`, `uri-too-long`, `bad-header` when it is no URL at all
 */
export function parseOwnUrl(url: string, authority: string): RequestTarget | undefined {
  if (url.startsWith("/") && !url.startsWith("//")) return parseTarget(`http://own${url}`);
  const [, scheme = "", host = "", path = "/"] = ABSOLUTE.exec(url) ?? [];
  if (scheme === "") {
    throw new Problem(
      "bad-header",
      "Cannot read the URL in a header: an absolute URL or an absolute path is needed",
    );
  }
  const port = DEFAULT_PORTS[scheme.toLowerCase()] ?? "";
  const named = parseAuthority(host);
  const own = parseAuthority(authority);
  if (named === undefined || own === undefined || named.host !== own.host) return undefined;
  if ((named.port || port) !== (own.port || port)) return undefined;
  return parseTarget(`http://own${path}`);
}

/** `/dav/home/a.txt` as the world it shows, `/home/a.txt`; `undefined` for what lies elsewhere. */
export function toWorldTarget(target: RequestTarget): RequestTarget | undefined {
  const { path } = target;
  if (path === DAV_ROOT) return { ...target, path: "/", name: "", isCollection: true };
  if (!path.startsWith(`${DAV_ROOT}/`)) return undefined;
  const bare = path.slice(DAV_ROOT.length);
  return { ...target, path: bare, name: bare.slice(1) };
}

/**
 * Where COPY and MOVE lead (RFC 4918 §10.3).
 *
 * @throws {Problem} `bad-header` without one, `bad-gateway` when it is not below `/dav` here, and what
 * the path itself is refused for
 */
export function readDestination(request: Request): RequestTarget {
  const sent = request.headers.get("destination");
  if (sent === null) {
    throw new Problem(
      "bad-header",
      `Cannot ${request.method}: no Destination was sent; the URL to go to is needed`,
    );
  }
  const target = parseOwnUrl(sent.trim(), readHost(request));
  const world = target === undefined ? undefined : toWorldTarget(target);
  if (world !== undefined && world.query === "") return world;
  throw new Problem(
    "bad-gateway",
    `Cannot ${request.method} to another place: the Destination is not below ${DAV_ROOT}/ of this ` +
      "machine, where alone it can be",
  );
}
