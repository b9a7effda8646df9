/**
 * Parses a source and looks through all of it for what imports. Pure: text in, verdict out, so that it
 * can be done wherever there is time for it. It runs nothing of what it reads.
 */

import { parseJavaScript, type SyntaxNode } from "../../deps/acorn.ts";

/** What is wrong with a source. Plain data, since it may come from another thread. */
export interface SourceFault {
  /**
   * `no-javascript` may still be TypeScript; `hopeless` is not to be tried again by any parser;
   * `imports` is JavaScript that a plugin may not be.
   */
  readonly kind: "no-javascript" | "hopeless" | "imports";
  readonly message: string;
  /** Counted from 1; 0 when the whole source is meant. */
  readonly line: number;
}

const ALLOWED = "plugins are self-contained; only `import type` is allowed";

/** How the parser says that its own stack is at an end. */
const TOO_DEEP = /^Not enough stack space/;

/** Why a text is no JavaScript that a plugin may be, or `undefined` when it is. */
export function checkImports(text: string): SourceFault | undefined {
  let tree: SyntaxNode;
  try {
    tree = parseJavaScript(text, { ecmaVersion: "latest", sourceType: "module" });
  } catch (error) {
    return parseFault(error);
  }
  return importFault(text, tree);
}

function parseFault(error: unknown): SourceFault {
  // Not to be tried again as TypeScript: that parser is native and would take its process with it.
  if (error instanceof RangeError || error instanceof SyntaxError && TOO_DEEP.test(error.message)) {
    const message = "Cannot parse the source: it is nested too deeply";
    return { kind: "hopeless", message, line: 0 };
  }
  if (!(error instanceof SyntaxError)) throw error;
  const line = Number(/\((\d+):\d+\)$/.exec(error.message)?.[1] ?? 0);
  const words = error.message.replace(/ \(\d+:\d+\)$/, "");
  const message = `Cannot parse the source: ${words} (line ${line})`;
  return { kind: "no-javascript", message, line };
}

/** Walks the whole tree: a node of a kind that imports may hang anywhere in it. */
function importFault(text: string, tree: SyntaxNode): SourceFault | undefined {
  const pending: SyntaxNode[] = [tree];
  for (let node = pending.pop(); node; node = pending.pop()) {
    const fault = faultOf(node);
    if (fault) {
      const line = lineOf(text, node.start);
      return { kind: "imports", message: `Cannot load ${fault} (line ${line}): ${ALLOWED}`, line };
    }
    for (const value of Object.values(node)) {
      if (Array.isArray(value)) { for (const item of value) if (isNode(item)) pending.push(item); }
      else if (isNode(value)) pending.push(value);
    }
  }
  return undefined;
}

function faultOf(node: SyntaxNode): string | undefined {
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

/** Counted when it is needed: a parser that keeps every node's line takes twice the time. */
function lineOf(text: string, offset: number): number {
  return text.slice(0, offset).split(/\r\n|[\n\r\u2028\u2029]/).length;
}

function isNode(value: unknown): value is SyntaxNode {
  return typeof value === "object" && value !== null && "type" in value && "start" in value;
}
