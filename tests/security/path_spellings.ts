/** Spellings of `..` and `/` that some URL parsers accept. Not a test itself. */

/** Spellings of `..`. */
// deno-fmt-ignore
const DOT_DOTS = [
  "..", "%2e%2e", "%2E%2E", ".%2e", "%2e.", "%252e%252e", "..%00", "..%20", "..%09", "..;", "..;a=b",
  "..%3b", "..%5c", "..\\", "%c0%ae%c0%ae", "%e0%80%ae%e0%80%ae", "%f0%80%80%ae", "%uff0e%uff0e",
  "%ef%bc%8e%ef%bc%8e", "%e2%80%a4%e2%80%a4", "%e2%80%a5", "%ef%b9%92%ef%b9%92", "...", ". .", "..%c2%a0",
  "%2e%2e%00", "..%0d%0a", "..%23", "..%3f", "..?", "..#", "..%e2%80%8b", "..%cc%80", "%00..", " ..",
];
/** Spellings of `/`. */
// deno-fmt-ignore
export const SLASHES = [
  "/", "%2f", "%2F", "%252f", "\\", "%5c", "%5C", "%c0%af", "%e0%80%af", "%ef%bc%8f", "%e2%88%95",
  "%e2%81%84", "%e2%a7%b8", "//", "/./", "/%2e/", "/.//", "%2f/", "/%2f", ";/", "%00/", "%u2215",
];

/** Request targets that leave a folder and name a path, for a parser that accepts the spelling. */
export function traversalTargets(folder: string, path: string): string[] {
  const name = path.slice(1);
  const depth = folder.split("/").length - 1;
  const targets: string[] = [];
  for (const dots of DOT_DOTS) targets.push(`${folder}/${`${dots}/`.repeat(depth)}${name}`);
  for (const slash of SLASHES) {
    targets.push(`${folder}${slash}${`..${slash}`.repeat(depth)}${name.replaceAll("/", slash)}`);
    targets.push(`${folder}${slash}${`%2e%2e${slash}`.repeat(depth)}${name}`);
  }
  return targets;
}
