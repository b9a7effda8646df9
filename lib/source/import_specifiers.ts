/**
 * Finds which files a module of this program names: its imports, the text it carries, and what it
 * starts by URL. It reads text by its look and runs nothing; what looks like a name and is none does
 * no harm, since it leads nowhere.
 */

/** A file that a module names. */
export interface Named {
  /** As it is written, `./a.ts`. */
  readonly specifier: string;
  /** `code` names files in turn; of `types` the running program has no need. */
  readonly kind: "code" | "text" | "types";
}

const QUOTED = String.raw`(?<quote>["'])(?<specifier>\.{1,2}\/[^"'\\\n]*)\k<quote>`;
const TEXT = String.raw`(?<text>\s*,?\s*(?:\{\s*)?with\s*:?\s*\{\s*type\s*:\s*["']text["'])?`;
/** `import … from "…"`, `export … from "…"`, `import "…"`. */
const STATIC = new RegExp(
  String.raw`^[ \t]*(?:import|export)(?<type>\s+type)?\b(?:[^;"'(]*?\bfrom)?\s*${QUOTED}${TEXT}`,
  "gm",
);
/** `import("…")`. */
const DYNAMIC = new RegExp(String.raw`\bimport\s*\(\s*${QUOTED}${TEXT}`, "g");
/** `import.meta.resolve("…")`, and `new URL("…", import.meta.url)`. */
const RESOLVED = new RegExp(String.raw`\bimport\.meta\.resolve\(\s*${QUOTED}\s*,?\s*\)`, "g");
const LOCATED = new RegExp(
  String.raw`\bnew\s+URL\(\s*${QUOTED}\s*,\s*import\.meta\.url\s*,?\s*\)`,
  "g",
);

/** The relative specifiers of a module's text, in no order, each as often as it is written. */
export function namedBy(text: string): Named[] {
  const found: Named[] = [];
  for (const pattern of [STATIC, DYNAMIC, RESOLVED, LOCATED]) {
    for (const { groups = {} } of text.matchAll(pattern)) {
      const { specifier = "", text: asText, type } = groups;
      // A folder is where something is looked for, not a file.
      if (specifier.endsWith("/")) continue;
      const kind = asText !== undefined ? "text" : type !== undefined ? "types" : "code";
      found.push({ specifier, kind });
    }
  }
  return found;
}
