/**
 * Splits TypeScript source into code, comments and literals, for the tests that read the project's
 * own files. It knows only as much of the grammar as that needs: a slash after a value divides, any
 * other slash begins a regular expression.
 */

/** A part of a source. The parts follow each other without gaps and together are the source. */
export interface SourcePart {
  /** `string` includes the chunks of a template literal; a regular expression is `code`. */
  readonly kind: "code" | "comment" | "string";
  /** Offset of the first character. */
  readonly start: number;
  /** Offset after the last character. */
  readonly end: number;
}

/** After one of these words a slash begins a regular expression. */
const BEFORE_REGEXP = /(?:^|[^\w$.])(?:return|typeof|case|in|of|do|else|void|yield|await|delete)$/;

/**
 * Splits a source into its parts.
 *
 * @param source text of a TypeScript or JavaScript module without syntax errors
 * @returns the parts in order; delimiters (quotes, comment marks) belong to their part
 */
export function splitSource(source: string): SourcePart[] {
  const parts: SourcePart[] = [];
  let codeStart = 0;
  let at = 0;
  readCode(false);
  return parts;

  /** Reads code up to the end, or up to the brace that closes a template's expression. */
  function readCode(inTemplate: boolean): void {
    codeStart = at;
    let depth = 0;
    while (at < source.length) {
      const char = source[at];
      if (char === '"' || char === "'") part("string", endOfString(at));
      else if (char === "`") readTemplate();
      else if (source.startsWith("//", at)) part("comment", endOf("\n", at, 0));
      else if (source.startsWith("/*", at)) part("comment", endOf("*/", at, 2));
      else if (char === "/" && !followsValue()) at = endOfRegExp(at);
      else if (char === "{") at += 1, depth += 1;
      else if (char === "}" && inTemplate && depth === 0) break;
      else if (char === "}") at += 1, depth -= 1;
      else at += 1;
    }
    closeCode();
  }

  function readTemplate(): void {
    closeCode();
    let start = at++;
    while (at < source.length && source[at] !== "`") {
      if (source.startsWith("${", at)) {
        at += 2;
        parts.push({ kind: "string", start, end: at });
        readCode(true);
        codeStart = start = at;
      } else at += source[at] === "\\" ? 2 : 1;
    }
    at += 1;
    parts.push({ kind: "string", start, end: at });
    codeStart = at;
  }

  function part(kind: SourcePart["kind"], end: number): void {
    closeCode();
    parts.push({ kind, start: at, end });
    codeStart = at = end;
  }

  function closeCode(): void {
    if (codeStart < at) parts.push({ kind: "code", start: codeStart, end: at });
    codeStart = at;
  }

  function endOf(mark: string, from: number, length: number): number {
    const found = source.indexOf(mark, from + length);
    return found === -1 ? source.length : found + length;
  }

  function endOfString(from: number): number {
    let end = from + 1;
    while (end < source.length && source[end] !== source[from]) end += source[end] === "\\" ? 2 : 1;
    return end + 1;
  }

  function followsValue(): boolean {
    const before = source.slice(Math.max(0, at - 200), at).trimEnd();
    return /[\w$)\]}"'`]$/.test(before) && !BEFORE_REGEXP.test(before);
  }

  function endOfRegExp(from: number): number {
    let inClass = false;
    for (let end = from + 1; end < source.length && source[end] !== "\n"; end += 1) {
      if (source[end] === "\\") end += 1;
      else if (source[end] === "[") inClass = true;
      else if (source[end] === "]") inClass = false;
      else if (source[end] === "/" && !inClass) return end + 1;
    }
    return from + 1;
  }
}

/** A module specifier in a source. */
export interface ModuleImport {
  /** As written: `./a.ts`, `npm:hono@4.0.0`, `node:fs`. */
  readonly specifier: string;
  /** Whether only types are imported, so that nothing is loaded. */
  readonly typeOnly: boolean;
  /** Line of the specifier, from 1. */
  readonly line: number;
}

/**
 * Lists every module that a source names: static and dynamic imports, re-exports, `typeof import()`,
 * `new URL(…, import.meta.url)` and `import.meta.resolve(…)`.
 */
export function listImports(source: string): ModuleImport[] {
  const found: ModuleImport[] = [];
  const parts = splitSource(source);
  let before = "";
  for (const [i, { kind, start, end }] of parts.entries()) {
    const text = source.slice(start, end);
    if (kind === "code") before += text;
    if (kind !== "string") continue;
    const next = parts[i + 1];
    const after = next?.kind === "code" ? source.slice(next.start, next.end) : "";
    const use = useOf(before, after);
    if (use !== undefined) {
      const line = source.slice(0, start).split("\n").length;
      found.push({ specifier: text.slice(1, -1), typeOnly: use === "type", line });
    }
    before = "";
  }
  return found;
}

function useOf(before: string, after: string): "value" | "type" | undefined {
  const declaration = /\b(?:import|export)\b(?!.*\b(?:import|export)\b)([^;]*)\bfrom\s*$/s.exec(
    before,
  );
  if (declaration !== null) {
    return /^\s+type\b(?!\s+from)/.test(declaration[1] ?? "") ? "type" : "value";
  }
  if (/\bimport\s*$/.test(before)) return "value";
  if (/\btypeof import\(\s*$/.test(before)) return "type";
  if (/\bimport\(\s*$/.test(before)) return /^\s*\)\.[A-Z]/.test(after) ? "type" : "value";
  if (/\bnew URL\(\s*$/.test(before) && /^\s*,\s*import\.meta\.url/.test(after)) return "value";
  return /\bimport\.meta\.resolve\(\s*$/.test(before) ? "value" : undefined;
}
