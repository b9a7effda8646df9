/**
 * Requests to a mounted web server. Redirects are followed only inside the mount, because a request
 * carries the mount's bearer.
 */

import { Problem } from "../../kit/problem.ts";

const MAX_REDIRECTS = 5;
const REDIRECTS = [301, 302, 303, 307, 308];

/**
 * Requests a URL, and the URLs that it redirects to.
 *
 * @param base the mounted URL
 * @param path of the client's request, for messages
 * @throws {Problem} `bad-gateway` for a redirect that is not followed; errors of `fetch` pass
 */
export async function fetchBelow(
  url: URL,
  base: URL,
  init: { headers: Headers; signal: AbortSignal },
  path: string,
): Promise<Response> {
  let target = url;
  for (let redirects = 0; redirects <= MAX_REDIRECTS; redirects++) {
    const response = await fetch(target, { ...init, redirect: "manual" });
    if (!REDIRECTS.includes(response.status)) return response;
    await response.body?.cancel();
    target = redirectTarget(response.headers.get("location"), target, base, path);
  }
  throw redirectProblem(path, `more than ${MAX_REDIRECTS} times`);
}

/** @throws {Problem} `bad-gateway` if the target is missing or outside the mount */
function redirectTarget(location: string | null, from: URL, base: URL, path: string): URL {
  if (location === null || !URL.canParse(location, from)) {
    throw redirectProblem(path, "without a valid Location");
  }
  const target = new URL(location, from);
  if (isBelow(target, base)) return target;
  throw redirectProblem(path, "outside the mounted URL");
}

function redirectProblem(path: string, how: string): Problem {
  return new Problem("bad-gateway", `Cannot read ${path}: its server redirects ${how}`);
}

/**
 * The URL that is requested from the server.
 *
 * @param base the mounted URL
 * @param segments decoded segments below the mount
 * @param isCollection whether the path of the request ends in a slash
 * @param search the query of the request, with its question mark
 */
export function upstreamUrl(
  base: URL,
  segments: readonly string[],
  isCollection: boolean,
  search: string,
): URL {
  const target = new URL(base);
  const below = segments.map((segment) => `/${encodeSegment(segment)}`).join("");
  target.pathname = `${target.pathname.replace(/\/$/, "")}${below}${isCollection ? "/" : ""}`;
  // `raw` is a parameter of this server. It requests the bytes, and a mount gives nothing else.
  target.search = search.slice(1).split("&").filter((pair) => pair !== "raw").join("&");
  return target;
}

/**
 * Whether a URL is at or below a mounted one. Every way in which a server could read the path must
 * stay inside: an encoded slash or `/..;` is refused.
 */
export function isBelow(target: URL, base: URL): boolean {
  if (target.origin !== base.origin) return false;
  if (target.username !== "" || target.password !== "") return false;
  const root = base.pathname.replace(/\/$/, "");
  if (root === "") return true;
  const { pathname } = target;
  if (pathname !== root && !pathname.startsWith(`${root}/`)) return false;
  return !/%(?:2f|5c)|\/\.{1,2};/i.test(pathname.slice(root.length));
}

/** Encodes one segment of a path; the characters that RFC 3986 §3.3 allows there stay. */
function encodeSegment(segment: string): string {
  return encodeURIComponent(segment).replace(/%(?:3A|40|24|26|2B|2C|3D)/g, decodeURIComponent);
}
