/**
 * Files that clients expect at the root of every site, such as `/robots.txt` and `/llms.txt`. Each
 * is a world in the folder `site` of the shell and public like that folder. T3 can replace or add
 * them. No name is fixed in the code.
 */

import type { RequestTarget } from "../http/path.ts";

const FOLDER = "usr/lib/shell/site";
const FILE = /^\/[a-z0-9][a-z0-9-]{0,63}\.(?:ico|png|svg|txt|webmanifest|xml)$/;

/**
 * Converts the target of a site file: for `/llms.txt` the bytes of `/usr/lib/shell/site/llms.txt`.
 *
 * @returns undefined unless the method is GET or HEAD and the path is a file name at the root
 */
export function toSiteTarget(
  method: string,
  { path, isCollection }: RequestTarget,
): RequestTarget | undefined {
  if (method !== "GET" && method !== "HEAD") return undefined;
  if (isCollection || !FILE.test(path)) return undefined;
  const name = `${FOLDER}${path}`;
  return { path: `/${name}`, name, isCollection: false, query: "raw" };
}
