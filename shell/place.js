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

/** Characters without ink, and those that reorder the line; joiners only where nothing can be joined. */
const UNSEEN =
  /(?![\u200c\u200d\ufe0e\ufe0f])[\p{Default_Ignorable_Code_Point}\p{Cc}\u2800]|(?<![^\0-\x7f])[\u200c\u200d]/gu;
/** Spaces at the ends of a segment, before another space, and those that look like U+0020. */
const SPACES = /(?<=^|\/)\p{Zs}+|\p{Zs}+(?=\/|$)|\p{Zs}(?=\p{Zs})|[^\P{Zs} \u3000]/gu;

/** A name as text for people: what would hide or reorder a part of it is marked. */
export function shownName(name) {
  return name
    .replace(
      UNSEEN,
      (char) => `‹U+${char.codePointAt(0).toString(16).toUpperCase().padStart(4, "0")}›`,
    )
    .replace(SPACES, (spaces) => "␣".repeat(spaces.length));
}

/** Last segment of a name. */
export function lastOf(name) {
  return name.slice(name.lastIndexOf("/") + 1);
}

/** Everything before the last segment. */
export function parentOf(name) {
  return name.includes("/") ? name.slice(0, name.lastIndexOf("/")) : "";
}
