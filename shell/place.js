/** Converts between paths of the address bar and names of worlds. Pure. */

/** The namespaces that contain worlds. */
export const NAMESPACES = ["boot", "etc", "home", "lib", "usr", "var"];

/** Parses the path of a URL: the name without slashes at its ends, and which view shows it. */
export function placeOf(pathname) {
  let path = pathname;
  try {
    path = decodeURIComponent(pathname).normalize("NFC");
  } catch {
    // An invalid escape stays as it is, and the server answers with an error.
  }
  const name = path.replace(/^\/|\/$/g, "");
  const collection = path.endsWith("/");
  const [first] = name.split("/", 1);
  if (name === "") return { name, collection: true, kind: "home" };
  if (NAMESPACES.includes(first)) {
    return { name, collection, kind: collection || name === first ? "collection" : "world" };
  }
  if (/^proc\/trash(\/|$)/.test(name)) return { name, collection, kind: "trash" };
  if (/^proc\/search(\/|$)/.test(name)) return { name, collection, kind: "search" };
  return { name, collection, kind: first === "shaped" ? "shaped" : "route" };
}

/** The path of a world; of a collection if the name ends in a slash. */
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
