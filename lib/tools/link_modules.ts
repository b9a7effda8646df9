/**
 * Links the modules of a plugin into one file of readable TypeScript, types and comments kept: the
 * operator who approves a plugin reads this file, and a plugin imports nothing at run time.
 *
 * The entry module comes first, so that a reader starts with its header and its manifest. All modules
 * it imports follow completely, each after those it imports itself. All top-level names then share
 * one scope, so the linker refuses every name that appears twice. Because the entry is
 * evaluated first, its top-level statements must not use constants and classes of other modules; its
 * functions may.
 *
 * A module of `lib/deps` can be linked if `read` returns the sources of its package. All other modules
 * of `lib` can be imported for their types only; these imports stay.
 *
 * The linker works on lines of formatted source, not on a syntax tree: text that it does not change
 * stays exactly as it was written, except that CRLF becomes LF. Before it searches for a form, it masks
 * comments, strings, template text and regular expressions. It detects a regular expression by the
 * token before it; one directly after `)` is taken for a division. The linker refuses a form that it
 * does not know, with file and line. It does not find syntax errors; `build_plugins.ts` does.
 */

/** A source cannot be linked. */
export class LinkError extends Error {
  override readonly name = "LinkError";

  /**
   * @param path path of the source
   * @param line line number, counted from 1
   * @param found what cannot be linked, and what to write instead
   */
  constructor(readonly path: string, readonly line: number, found: string) {
    super(`Cannot link ${path} line ${line}: ${found}`);
  }
}

/** One import of a module. */
interface Import {
  readonly line: number;
  readonly typesOnly: boolean;
  readonly names: readonly string[];
  /** As written, such as `./b.ts`. */
  readonly specifier: string;
  /** Path of the imported module below the root. */
  readonly path: string;
}

interface Module {
  readonly path: string;
  readonly imports: readonly Import[];
  /** The text without its imports; without `export` unless it is the entry. */
  readonly code: string;
  /** Top-level names and the first line of each. */
  readonly names: ReadonlyMap<string, number>;
  readonly exports: ReadonlySet<string>;
}

/** Modules that are linked; other modules are imported for their types only. */
const LINKED_PATH = /^(?:plugins|lib\/deps)\//;
const IMPORT = /^import (type )?\{([^}]*)\} from "([^"]*)";\n/gm;
const DECLARATION =
  /^(?:export )?(?:default )?(?:declare )?(?:abstract )?(?:async )?(?:function\*?|class|const|let|var|interface|type|enum|namespace) ([\w$]+)/gm;
const EXPORT =
  /^export (?=(?:abstract )?(?:async )?(?:function|class|const|let|interface|type)\b)/gm;
const EXAMPLE =
  /\n *\*(?=\n *\* @example\b)(?:\n *\*(?: (?!@(?!example\b)).*)?)*(?=\n *\*(?:\/| @))/g;

/** Forms that are refused, each with what to write instead. `[^]` also matches line ends. */
const REFUSED: readonly (readonly [form: RegExp, instead: string])[] = [
  [/^import\b(?!\s*\()/m, 'an import in another form than `import { a, b } from "./c.ts";`'],
  [/^export (?:type )?(?:\*|\{)/m, "an export list or a re-export; export the declaration"],
  [
    /^(?:export )?(?:const|let|var) [[{]/m,
    "a destructured top-level declaration; declare each name separately",
  ],
  [/\bimport\s*\(/, "import(); a plugin imports nothing at run time"],
  [/\bimport\.meta\b/, "import.meta; a linked plugin has no URL"],
];

/**
 * Links an entry module and everything it imports.
 *
 * @param entry path of the entry below the root of the repository, such as `plugins/db/mod.ts`
 * @param read returns the text of a file below the root, undefined if the file does not exist
 * @returns the text of a file in the folder `plugins`
 * @throws {LinkError} if a source has a form that cannot be linked, a file or an export is missing,
 * modules import each other, or a name is defined twice
 */
export function linkModules(entry: string, read: (path: string) => string | undefined): string {
  const modules = modulesInOrder(entry, read);
  assertExports(modules);
  assertDistinctNames(modules);
  const [main, ...others] = [modules.at(-1), ...modules.slice(0, -1)];
  if (main === undefined) throw new LinkError(entry, 1, "the entry is missing");
  const [, header = "", code = ""] = /^(\/\*\*[^]*?\*\/\n)([^]*)$/.exec(main.code) ?? [];
  if (header === "") throw new LinkError(entry, 1, "the entry begins without a doc comment");
  const folder = entry.slice(0, entry.lastIndexOf("/") + 1);
  return [
    `// Built from ${folder} by deno task plugins. Edit the sources there.`,
    header.trim(),
    typeImports(modules),
    code.trim(),
    ...others.map((module) => `// ---- ${module.path}\n\n${module.code.trim()}`),
  ].filter((part) => part !== "").join("\n\n") + "\n";
}

/** All modules, each after those it imports; the entry is the last. */
function modulesInOrder(entry: string, read: (path: string) => string | undefined): Module[] {
  const done = new Map<string, Module>();
  const open: string[] = [];
  function visit(path: string, from: { path: string; line: number; specifier?: string }): void {
    if (done.has(path)) return;
    if (open.includes(path)) {
      const cycle = [...open.slice(open.indexOf(path)), path].join(" → ");
      throw new LinkError(from.path, from.line, `the modules import each other: ${cycle}`);
    }
    open.push(path);
    const text = read(path);
    if (text === undefined) {
      const { specifier } = from;
      const found = specifier === undefined
        ? "the file does not exist; a folder of a plugin needs it"
        : `"${specifier}" does not exist; there is no file ${path}`;
      throw new LinkError(from.path, from.line, found);
    }
    const module = parseModule(path, text.replaceAll("\r\n", "\n"), path === entry);
    for (const { path: imported, line, specifier } of module.imports) {
      if (LINKED_PATH.test(imported)) visit(imported, { path, line, specifier });
    }
    open.pop();
    done.set(path, module);
  }
  visit(entry, { path: entry, line: 1 });
  return [...done.values()];
}

function parseModule(path: string, text: string, isEntry: boolean): Module {
  const mask = maskText(path, text);
  const imports: Import[] = [];
  for (const { 0: { length }, index } of mask.matchAll(IMPORT)) {
    const [, type, list = "", specifier = ""] =
      text.slice(index, index + length).match(new RegExp(IMPORT.source)) ?? [];
    imports.push(parseImport(path, lineAt(text, index), type !== undefined, list, specifier));
  }
  // Characters stay in their places, so that line numbers in messages are those of the source.
  const code = mask.replace(IMPORT, (statement) => statement.replace(/[^\n]/g, " "));
  for (const [form, instead] of REFUSED) {
    const found = form.exec(code);
    if (found !== null) throw new LinkError(path, lineAt(text, found.index), instead);
  }
  const exported = /^export default\b/m.exec(code);
  if (!isEntry && exported !== null) {
    const found = "a default export; only the entry has one";
    throw new LinkError(path, lineAt(text, exported.index), found);
  }
  const names = new Map<string, number>();
  const exports = new Set<string>();
  for (const found of code.matchAll(DECLARATION)) {
    const [statement, name = ""] = found;
    if (!names.has(name)) names.set(name, lineAt(text, found.index));
    if (/^export (?!default )/.test(statement)) exports.add(name);
  }
  let kept = replaceInCode(path, text.replace(EXAMPLE, ""), IMPORT, "\n");
  kept = replaceInCode(path, kept, /\n{3,}/g, "\n\n");
  if (!isEntry) kept = replaceInCode(path, kept, EXPORT, "");
  return { path, imports, code: kept, names, exports };
}

function parseImport(
  path: string,
  line: number,
  typesOnly: boolean,
  list: string,
  specifier: string,
): Import {
  const names = list.split(",").map((name) => name.trim().replace(/^type /, "")).filter(Boolean);
  const renamed = names.find((name) => !/^[\w$]+$/.test(name));
  if (renamed !== undefined) {
    throw new LinkError(path, line, `\`${renamed}\`; import the name as it is`);
  }
  if (!/^\.{1,2}\/.*\.ts$/.test(specifier)) {
    throw new LinkError(path, line, `"${specifier}" is not a path to a module of the repository`);
  }
  const imported = new URL(specifier, `file:///${path}`).pathname.slice(1);
  if (!LINKED_PATH.test(imported) && !typesOnly) {
    const found = `${imported} is not below plugins/ or lib/deps/; use \`import type\``;
    throw new LinkError(path, line, found);
  }
  return { line, typesOnly, names, specifier, path: imported };
}

/** The imports of types that stay, merged, as a module in the folder `plugins` writes them. */
function typeImports(modules: readonly Module[]): string {
  const names = new Map<string, Set<string>>();
  for (const { imports } of modules) {
    for (const { path, names: imported } of imports) {
      if (LINKED_PATH.test(path)) continue;
      names.set(path, new Set([...names.get(path) ?? [], ...imported]));
    }
  }
  return [...names].sort(([a], [b]) => a < b ? -1 : 1).map(([path, imported]) => {
    const sorted = [...imported].sort();
    const line = `import type { ${sorted.join(", ")} } from "../${path}";`;
    if (line.length <= 100) return line;
    return `import type {\n${sorted.map((name) => `  ${name},\n`).join("")}} from "../${path}";`;
  }).join("\n");
}

function assertExports(modules: readonly Module[]): void {
  const exports = new Map(modules.map((module) => [module.path, module.exports]));
  for (const { path, imports } of modules) {
    for (const { line, names, path: imported } of imports) {
      const missing = names.find((name) => exports.get(imported)?.has(name) === false);
      if (missing === undefined) continue;
      throw new LinkError(path, line, `${imported} does not export ${missing}`);
    }
  }
}

function assertDistinctNames(modules: readonly Module[]): void {
  const owners = new Map<string, Module>();
  for (const module of modules) {
    for (const [name, line] of module.names) {
      const other = owners.get(name);
      if (other !== undefined) {
        const location = `${other.path} line ${other.names.get(name)}`;
        throw new LinkError(
          module.path,
          line,
          `${name} is defined in ${location} as well; rename one`,
        );
      }
      if (name in globalThis) {
        throw new LinkError(module.path, line, `${name} hides a global of that name; rename it`);
      }
      owners.set(name, module);
    }
  }
  for (const { path, imports } of modules) {
    for (const { line, names, path: imported } of imports) {
      const taken = names.find((name) => owners.has(name));
      if (LINKED_PATH.test(imported) || taken === undefined) continue;
      const found = `${taken} is defined in ${owners.get(taken)?.path} as well; rename that one`;
      throw new LinkError(path, line, found);
    }
  }
}

function lineAt(text: string, index: number): number {
  return text.slice(0, index).split("\n").length;
}

/** Replaces matches of a pattern outside comments, strings, templates and regular expressions. */
function replaceInCode(path: string, text: string, pattern: RegExp, by: string): string {
  let replaced = "";
  let end = 0;
  for (const { 0: { length }, index } of maskText(path, text).matchAll(pattern)) {
    replaced += text.slice(end, index) + by;
    end = index + length;
  }
  return replaced + text.slice(end);
}

const COMMENT = /\/\/.*|\/\*[^]*?\*\//y;
const STRING = /"(?:[^"\\\n]|\\[^])*"|'(?:[^'\\\n]|\\[^])*'/y;
const REGULAR_EXPRESSION = /\/(?:[^/\\[\n]|\\.|\[(?:[^\]\\\n]|\\.)*\])+\//y;
/** Template text up to the end of the template or the next substitution. */
const TEMPLATE_TEXT = /(?:[^`\\$]|\\[^]|\$(?!\{))*(?:`|\$\{)/y;
/** Code that ends an operand; a slash after it is a division. */
const OPERAND =
  /(?:[\w$)\]"'`]|\+\+|--|[\w$)\]]!)\s*$(?<!(?<![.\w$])(?:return|typeof|case|in|of|void|delete|await|yield|throw|else|do|instanceof|new)\s*)/;

/**
 * Replaces comments and the content of strings, templates and regular expressions by spaces, line
 * ends included. The length stays, and so do quotes and the code in substitutions of templates.
 */
function maskText(path: string, text: string): string {
  let mask = "";
  /** For each open brace: whether it starts a substitution of a template. */
  const braces: boolean[] = [];
  const match = (pattern: RegExp): string | undefined => {
    pattern.lastIndex = mask.length;
    return pattern.exec(text)?.[0];
  };
  const maskTemplate = (start: number): void => {
    const found = match(TEMPLATE_TEXT);
    if (found === undefined) {
      throw new LinkError(path, lineAt(text, start), "a template without an end");
    }
    const isEnd = found.endsWith("`");
    mask += " ".repeat(found.length - (isEnd ? 1 : 2)) + (isEnd ? "`" : "${");
    if (!isEnd) braces.push(true);
  };
  while (mask.length < text.length) {
    const start = mask.length;
    const char = text.charAt(start);
    const comment = char === "/" ? match(COMMENT) : undefined;
    if (comment !== undefined) {
      mask += " ".repeat(comment.length);
      continue;
    }
    let literal = char === '"' || char === "'" ? match(STRING) : undefined;
    if (char === "/" && !OPERAND.test(mask.slice(-200))) literal = match(REGULAR_EXPRESSION);
    if (literal !== undefined) {
      mask += char + " ".repeat(literal.length - 2) + char;
      continue;
    }
    mask += char;
    if (char === "`") maskTemplate(start);
    else if (char === "{") braces.push(false);
    else if (char === "}" && braces.pop() === true) maskTemplate(start);
  }
  return mask;
}
