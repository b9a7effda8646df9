/**
 * Where the browser is, in the machine's terms: the path of the address bar as a name, and back.
 * Pure; knows nothing of the page.
 */

/** The namespaces that hold worlds. */
export const NAMESPACES = ["boot", "etc", "home", "lib", "usr", "var"];

/** Reads a URL's path: its name without slashes at its ends, and what kind of place it is. */
export function placeOf(pathname) {
  let path = pathname;
  try {
    path = decodeURIComponent(pathname).normalize("NFC");
  } catch {
    // A broken escape names nothing; shown as it is, and the machine will say so.
  }
  const name = path.replace(/^\/|\/$/g, "");
  const collection = path.endsWith("/");
  const [first] = name.split("/", 1);
  if (name === "") return { name, collection: true, kind: "home" };
  if (NAMESPACES.includes(first)) {
    return { name, collection, kind: collection || name === first ? "collection" : "world" };
  }
  return { name, collection, kind: first === "shaped" ? "shaped" : "route" };
}

/** The path of a world or, with a slash at its end, of a collection. */
export function pathOf(name) {
  return `/${name.split("/").map(encodeURIComponent).join("/")}`;
}

/** Last segment of a name. */
export function lastOf(name) {
  return name.slice(name.lastIndexOf("/") + 1);
}

/** Everything before the last segment. */
export function parentOf(name) {
  return name.includes("/") ? name.slice(0, name.lastIndexOf("/")) : "";
}
