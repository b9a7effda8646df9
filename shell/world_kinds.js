/** The kinds of worlds that the shell creates with a first content. Pure. */

/**
 * By kind: its name, its format, its media type, and its suffixes. The first suffix is added to a name
 * that has none of them.
 *
 * @type {Record<string, { label: string, hint: string, type: string, suffixes: string[] }>}
 */
export const WORLD_KINDS = {
  page: { label: "Page", hint: "HTML", type: "text/html", suffixes: ["html", "htm"] },
  note: {
    label: "Note",
    hint: "Markdown",
    type: "text/markdown",
    suffixes: ["md", "markdown", "txt"],
  },
  table: { label: "Table", hint: "CSV", type: "text/csv", suffixes: ["csv", "tsv"] },
};

/** The suffix of a name in lower case, or undefined. */
export function suffixOf(name) {
  return /\.([^./]+)$/.exec(name)?.[1].toLowerCase();
}

/** The kinds that a world with exactly this name can have; all if the name has no suffix. */
export function kindsFor(name) {
  const suffix = suffixOf(name);
  return Object.keys(WORLD_KINDS).filter((kind) =>
    suffix === undefined || WORLD_KINDS[kind].suffixes.includes(suffix)
  );
}
