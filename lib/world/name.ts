/**
 * Names of worlds: which names are valid, and the name of a world's folder on disk. A name is one
 * canonical string without aliases, such as `home/findings/x`. Pure functions of strings: nothing
 * here parses URLs or reads files.
 */

import { MAX_FOLDER_BYTES } from "../limits.ts";

/** The possible first segments of a world's name. */
export const NAMESPACES = ["home", "etc", "usr", "var", "boot", "lib"] as const;

const NAMESPACE_SET: ReadonlySet<string> = new Set(NAMESPACES);
// deno-lint-ignore no-control-regex -- the expression finds control characters
const REFUSED = /[\u0000-\u001f\u007f-\u009f\u2028\u2029\\:*?"<>|]/u;
const PLAIN = /^(?:home|etc|usr|var|boot|lib)(?:\/[A-Za-z0-9_~@!$&'()+,;=.-]+)+$/;
const encoder = new TextEncoder();
const SLASH = 0x2f;

/** Returns the first segment of a name or of a path without its leading slash. */
export function namespaceOf(name: string): string {
  const slash = name.indexOf("/");
  return slash < 0 ? name : name.slice(0, slash);
}

/** Whether `name` is a namespace or a name in one. */
export function isInNamespace(name: string): boolean {
  return NAMESPACE_SET.has(namespaceOf(name));
}

/**
 * Checks whether a name can be the name of a world.
 *
 * @param name name without a leading slash, such as `home/findings/x`
 * @returns why the name is not valid, as the end of a sentence, or `undefined` if it is valid
 */
export function nameFault(name: string): string | undefined {
  // The folder name of a plain name is at most twice as long: at most every second character is a
  // /.
  if (name.length * 2 <= MAX_FOLDER_BYTES && PLAIN.test(name) && !name.includes("/.")) {
    return undefined;
  }
  if (!isInNamespace(name)) return `it is not in one of ${NAMESPACES.join(", ")}`;
  if (!name.includes("/")) return "it is a namespace, which cannot be a world";
  const refused = REFUSED.exec(name);
  if (refused) return `it contains ${describe(refused[0])}`;
  if (name.normalize("NFC") !== name || !name.isWellFormed()) return "it is not in NFC";
  for (const segment of name.split("/")) {
    if (segment === "") return "it contains an empty segment";
    if (segment === "." || segment === "..") return "it contains a dot segment";
  }
  const bytes = encoder.encode(toFolderName(name)).length;
  if (bytes > MAX_FOLDER_BYTES) {
    return `its folder name is ${bytes} bytes long; at most ${MAX_FOLDER_BYTES} are allowed`;
  }
  return undefined;
}

function describe(char: string): string {
  const code = char.codePointAt(0) ?? 0;
  return code < 0x20 || code > 0x7e ? "a control character" : `the character ${char}`;
}

/** Converts a world's name to its folder name: `%` becomes `%25` and `/` becomes `%2F`. */
export function toFolderName(name: string): string {
  return name.replaceAll("%", "%25").replaceAll("/", "%2F");
}

/** Converts a folder name to a world's name; `undefined` if it is not the folder of a world. */
export function fromFolderName(folder: string): string | undefined {
  const name = folder.replaceAll("%2F", "/").replaceAll("%25", "%");
  return toFolderName(name) === folder && nameFault(name) === undefined ? name : undefined;
}

/**
 * Compares two names segment by segment, as listings order them: `a/b` is before `a-b`, so that a
 * collection is in one piece.
 *
 * @returns a negative number if `a` is first, a positive one if `b` is, 0 if they are equal
 */
export function compareNames(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let at = 0; at < length; at++) {
    const x = a.charCodeAt(at);
    const y = b.charCodeAt(at);
    if (x !== y) return x === SLASH ? -1 : y === SLASH ? 1 : x - y;
  }
  return a.length - b.length;
}
