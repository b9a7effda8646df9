/**
 * What may be the name of a world, and what its folder on disk is called. A name is one canonical
 * string; it has no aliases. This room knows neither URLs nor files: it maps strings to strings.
 */

import { MAX_FOLDER_BYTES } from "../limits.ts";

/** The first segments under which worlds live. */
export const NAMESPACES = ["home", "etc", "usr", "var", "boot", "lib"] as const;

const NAMESPACE_SET: ReadonlySet<string> = new Set(NAMESPACES);
// deno-lint-ignore no-control-regex -- control characters are what is looked for
const REFUSED = /[\u0000-\u001f\u007f-\u009f\u2028\u2029\\:*?"<>|]/u;
const PLAIN = /^(?:home|etc|usr|var|boot|lib)(?:\/[A-Za-z0-9_~@!$&'()+,;=.-]+)+$/;
const encoder = new TextEncoder();

/** The first segment of a name or path without leading slash. */
export function namespaceOf(name: string): string {
  const slash = name.indexOf("/");
  return slash < 0 ? name : name.slice(0, slash);
}

/** Whether `name` is a namespace or lies in one. */
export function isInNamespace(name: string): boolean {
  return NAMESPACE_SET.has(namespaceOf(name));
}

/**
 * Says why a canonical name cannot be a world, or `undefined` when it can.
 *
 * @param name canonical and NFC, `home/findings/x`
 */
export function nameFault(name: string): string | undefined {
  // A plain name's folder is at most twice as long as the name, were every other character a slash.
  if (name.length * 2 <= MAX_FOLDER_BYTES && PLAIN.test(name) && !name.includes("/.")) {
    return undefined;
  }
  if (!isInNamespace(name)) return `it lies in none of ${NAMESPACES.join(", ")}`;
  if (!name.includes("/")) return "a namespace itself is not a world";
  const refused = REFUSED.exec(name);
  if (refused) return `it holds ${describe(refused[0])}`;
  if (name.normalize("NFC") !== name || !name.isWellFormed()) return "it is not in NFC";
  for (const segment of name.split("/")) {
    if (segment === "") return "it holds an empty segment";
    if (segment === "." || segment === "..") return "it holds a dot segment";
  }
  const bytes = encoder.encode(toFolderName(name)).length;
  if (bytes > MAX_FOLDER_BYTES) {
    return `its folder needs ${bytes} bytes and ${MAX_FOLDER_BYTES} is the most`;
  }
  return undefined;
}

function describe(char: string): string {
  const code = char.codePointAt(0) ?? 0;
  return code < 0x20 || code > 0x7e ? "a control character" : `the character ${char}`;
}

/** The folder that holds a world: its name with `%` as `%25` and `/` as `%2F`. */
export function toFolderName(name: string): string {
  return name.replaceAll("%", "%25").replaceAll("/", "%2F");
}

/** The world a folder holds, or `undefined` when the folder is not a world's. */
export function fromFolderName(folder: string): string | undefined {
  const name = folder.replaceAll("%2F", "/").replaceAll("%25", "%");
  return toFolderName(name) === folder && nameFault(name) === undefined ? name : undefined;
}
