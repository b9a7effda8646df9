/**
 * Names of worlds: which names there can be. The rules are those of `lib/world/name.ts`; one table of
 * cases tests both.
 */

/** First segments of the names of worlds. */
export const NAMESPACES: readonly string[] = ["home", "etc", "usr", "var", "boot", "lib"];

// deno-lint-ignore no-control-regex -- the pattern must match control characters
const NOT_IN_NAMES = /[\u0000-\u001f\u007f-\u009f\u2028\u2029\\:*?"<>|]/;

/**
 * Explains why a world cannot have a name.
 *
 * @param name without a slash in front, such as `home/x`
 * @returns the end of a sentence about the name; undefined if the name is valid
 *
 * @example
 * ```ts
 * import { strictEqual } from "node:assert/strict";
 * import { worldNameFault } from "./world_name.ts";
 *
 * strictEqual(worldNameFault("home/notes/today"), undefined);
 * strictEqual(worldNameFault("home/../etc/x"), "it contains an empty segment, `.` or `..`");
 * ```
 */
export function worldNameFault(name: string): string | undefined {
  const segments = name.split("/");
  if (!NAMESPACES.includes(segments[0] ?? "")) {
    return `worlds are in ${NAMESPACES.map((space) => `/${space}`).join(", ")}`;
  }
  if (segments.length === 1) return "a namespace is not a world";
  if (NOT_IN_NAMES.test(name)) {
    return 'it contains a control character or one of \\ : * ? " < > |';
  }
  if (name.normalize("NFC") !== name || !name.isWellFormed()) return "it is not in NFC";
  if (segments.some((segment) => /^\.{0,2}$/.test(segment))) {
    return "it contains an empty segment, `.` or `..`";
  }
  return undefined;
}

/**
 * Returns the name of a world that was given in short or in full: `x` means `home/x`. A slash in
 * front is left out, and the name is put in NFC.
 *
 * @returns a name that {@link worldNameFault} can check
 *
 * @example
 * ```ts
 * import { strictEqual } from "node:assert/strict";
 * import { fullWorldName } from "./world_name.ts";
 *
 * strictEqual(fullWorldName("notes"), "home/notes");
 * strictEqual(fullWorldName("/etc/motd"), "etc/motd");
 * ```
 */
export function fullWorldName(given: string): string {
  const name = given.replace(/^\//, "").normalize("NFC");
  const [first = "", ...rest] = name.split("/");
  return NAMESPACES.includes(first) && rest.length > 0 ? name : `home/${name}`;
}
