/**
 * Parses a plugin's source and finds everything that imports another module. Pure: it takes a text
 * and returns a fault, so it can run on any thread. It must not execute the source.
 */

import { parseJavaScript, type SyntaxNode } from "../../deps/acorn.ts";
import { describeOffset, formatPlace, type SourcePlace } from "./source_place.ts";

/** Why a source is refused. Plain data, because it may come from another thread. */
export interface SourceFault {
  /**
   * `not-javascript`: it does not parse and may be TypeScript. `too-complex`: it is too complex and
   * must not be given to another parser. `imports`: it is JavaScript that imports.
   */
  readonly kind: "not-javascript" | "too-complex" | "imports";
  /** What was found, with its place. */
  readonly message: string;
  /** Absent if the fault concerns the whole source. */
  readonly place?: SourcePlace;
}

const ALLOWED = "plugins are self-contained; only `import type` is allowed";

/** Message of the parser when its stack is exhausted. */
const TOO_DEEP = /^Not enough stack space/;

/**
 * Checks that a text is JavaScript without imports.
 *
 * @param text source of a plugin
 * @returns the first fault, or undefined if the source is valid
 */
export function checkImports(text: string): SourceFault | undefined {
  let tree: SyntaxNode;
  try {
    tree = parseJavaScript(text, { ecmaVersion: "latest", sourceType: "module" });
  } catch (error) {
    return parseFault(text, error);
  }
  return findImport(text, tree);
}

function parseFault(text: string, error: unknown): SourceFault {
  // Must not be parsed as TypeScript: that parser is native, and a stack overflow aborts its
  // process.
  if (error instanceof RangeError || error instanceof SyntaxError && TOO_DEEP.test(error.message)) {
    const message = "Cannot parse the source: it is nested too deeply";
    return { kind: "too-complex", message };
  }
  if (!(error instanceof SyntaxError)) throw error;
  const offset: unknown = Reflect.get(error, "pos");
  const place = describeOffset(text, typeof offset === "number" ? offset : 0);
  const reason = error.message.replace(/ \(\d+:\d+\)$/, "");
  const message = `Cannot parse the source: ${reason} (${formatPlace(place)})`;
  return { kind: "not-javascript", message, place };
}

/** Walks the whole tree, because an import expression may occur anywhere. */
function findImport(text: string, tree: SyntaxNode): SourceFault | undefined {
  const pending: SyntaxNode[] = [tree];
  for (let node = pending.pop(); node; node = pending.pop()) {
    const fault = describeImport(node);
    if (fault) {
      const place = describeOffset(text, node.start);
      const message = `Cannot load ${fault} (${formatPlace(place)}): ${ALLOWED}`;
      return { kind: "imports", message, place };
    }
    for (const value of Object.values(node)) {
      if (Array.isArray(value)) { for (const item of value) if (isNode(item)) pending.push(item); }
      else if (isNode(value)) pending.push(value);
    }
  }
  return undefined;
}

function describeImport(node: SyntaxNode): string | undefined {
  switch (node.type) {
    case "ImportDeclaration":
      return "an import";
    case "ImportExpression":
      return "import()";
    case "MetaProperty":
      return Reflect.get(Reflect.get(node, "meta"), "name") === "import"
        ? "import.meta"
        : undefined;
    case "ExportAllDeclaration":
      return "an export from another module";
    case "ExportNamedDeclaration":
      return Reflect.get(node, "source") === null ? undefined : "an export from another module";
    default:
      return undefined;
  }
}

function isNode(value: unknown): value is SyntaxNode {
  return typeof value === "object" && value !== null && "type" in value && "start" in value;
}
