/**
 * Finds the files that a module of this program refers to: imports, text imports, and modules that
 * it starts by URL. It uses patterns and runs no code. A false match has no effect, because the
 * file does not exist.
 */

/** A file that a module refers to. */
export interface ImportSpecifier {
  /** As written, `./a.ts`. */
  readonly specifier: string;
  /** `code` can refer to further files; `types` is not needed by the running program. */
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

/** Finds the relative specifiers in the text of a module, in any order and with duplicates. */
export function findImportSpecifiers(text: string): ImportSpecifier[] {
  const found: ImportSpecifier[] = [];
  for (const pattern of [STATIC, DYNAMIC, RESOLVED, LOCATED]) {
    for (const { groups = {} } of text.matchAll(pattern)) {
      const { specifier = "", text: asText, type } = groups;
      // A URL of a folder, not a file.
      if (specifier.endsWith("/")) continue;
      const kind = asText !== undefined ? "text" : type !== undefined ? "types" : "code";
      found.push({ specifier, kind });
    }
  }
  return found;
}
