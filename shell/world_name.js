/** The rules for names of worlds, which a page checks before it sends a name. Pure. */

/** Characters that the server refuses in a name. */
// deno-lint-ignore no-control-regex -- these are refused
const REFUSED = /[\u0000-\u001f\u007f-\u009f\u2028\u2029\\:*?"<>|]/;
const ALL_REFUSED = new RegExp(REFUSED, "g");
/** Longest name as the folder that the server gives it, in bytes. */
const MAX_FOLDER_BYTES = 255;

/**
 * Why the server would refuse a name.
 *
 * @param {string} name a path without slashes at its ends
 * @returns {string | undefined} a sentence; undefined if the name can be used
 */
export function nameFault(name) {
  const refused = REFUSED.exec(name)?.[0];
  if (refused !== undefined) {
    const isVisible = refused > " " && refused < "\u007f";
    return `A name cannot contain ${isVisible ? refused : "control characters"}`;
  }
  const segments = name.split("/");
  if (segments.includes("")) return "Write something between two slashes";
  if (segments.some((segment) => segment === "." || segment === "..")) {
    return "A part of a name cannot be . or ..";
  }
  const folder = name.replaceAll("%", "%25").replaceAll("/", "%2F");
  const bytes = new TextEncoder().encode(folder).length;
  if (bytes > MAX_FOLDER_BYTES) return `The name is ${bytes - MAX_FOLDER_BYTES} bytes too long`;
  return undefined;
}

/** The name with a hyphen in place of each character that the server refuses. */
export function allowedName(name) {
  return name.normalize("NFC").split("/")
    .map((segment) => segment.replace(ALL_REFUSED, "-").replace(/^\.{1,2}$/, "-"))
    .filter((segment) => segment !== "")
    .join("/");
}

/** The name with a number before its suffix: `a/b (2).csv`. */
export function numberedName(name, number) {
  const start = name.lastIndexOf("/") + 1;
  const dot = name.lastIndexOf(".");
  const at = dot > start ? dot : name.length;
  return `${name.slice(0, at)} (${number})${name.slice(at)}`;
}
