/**
 * Files that programs look for at the top of every site, such as `/robots.txt` and `/llms.txt`. Each is
 * a world of the shell's folder `site`, so that whoever is T3 can replace one or put another beside it,
 * and public as that folder is. No name is built in.
 */

import type { RequestTarget } from "../http/path.ts";

const FOLDER = "usr/lib/shell/site";
const FILE = /^\/[a-z0-9][a-z0-9-]{0,63}\.(?:ico|png|svg|txt|webmanifest|xml)$/;

/**
 * What a request for such a file is about: the bytes of `/usr/lib/shell/site/llms.txt` for
 * `/llms.txt`. `undefined` for all that is not a look at a file at the top.
 */
export function toSiteTarget(
  method: string,
  { path, isCollection: collection }: RequestTarget,
): RequestTarget | undefined {
  if (method !== "GET" && method !== "HEAD") return undefined;
  if (collection || !FILE.test(path)) return undefined;
  const name = `${FOLDER}${path}`;
  return { path: `/${name}`, name, isCollection: false, query: "raw" };
}
