/** Spellings of dots and slashes that some reader of URLs takes for them. Not a test itself. */

/** Spellings of `..` for somebody. */
// deno-fmt-ignore
const UPS = [
  "..", "%2e%2e", "%2E%2E", ".%2e", "%2e.", "%252e%252e", "..%00", "..%20", "..%09", "..;", "..;a=b",
  "..%3b", "..%5c", "..\\", "%c0%ae%c0%ae", "%e0%80%ae%e0%80%ae", "%f0%80%80%ae", "%uff0e%uff0e",
  "%ef%bc%8e%ef%bc%8e", "%e2%80%a4%e2%80%a4", "%e2%80%a5", "%ef%b9%92%ef%b9%92", "...", ". .", "..%c2%a0",
  "%2e%2e%00", "..%0d%0a", "..%23", "..%3f", "..?", "..#", "..%e2%80%8b", "..%cc%80", "%00..", " ..",
];
/** Spellings of `/` for somebody. */
// deno-fmt-ignore
export const SLASHES = [
  "/", "%2f", "%2F", "%252f", "\\", "%5c", "%5C", "%c0%af", "%e0%80%af", "%ef%bc%8f", "%e2%88%95",
  "%e2%81%84", "%e2%a7%b8", "//", "/./", "/%2e/", "/.//", "%2f/", "/%2f", ";/", "%00/", "%u2215",
];

/** Targets that try to leave a folder and arrive at a path. */
export function escapes(folder: string, path: string): string[] {
  const bare = path.slice(1);
  const depth = folder.split("/").length - 1;
  const targets: string[] = [];
  for (const up of UPS) targets.push(`${folder}/${`${up}/`.repeat(depth)}${bare}`);
  for (const slash of SLASHES) {
    targets.push(`${folder}${slash}${`..${slash}`.repeat(depth)}${bare.replaceAll("/", slash)}`);
    targets.push(`${folder}${slash}${`%2e%2e${slash}`.repeat(depth)}${bare}`);
  }
  return targets;
}
