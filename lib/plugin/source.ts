/**
 * What may be a plugin's source, and the JavaScript that is run of it. A plugin imports nothing: an
 * `npm:` import would ignore the cell's permissions, a literal one would be checked against the
 * server's. The text that is parsed here is exactly the text that is executed; nobody may change a
 * character of it afterwards.
 */

import { parseJavaScript, type SyntaxNode } from "../deps/acorn.ts";
import { MAX_PLUGIN_BYTES } from "../limits.ts";

/** A source cannot be a plugin; the message says what and on which line. */
export class SourceError extends Error {
  override readonly name = "SourceError";
  /** @param line counted from 1; 0 when the whole source is meant */
  constructor(message: string, readonly line: number) {
    super(message);
  }
}

const ALLOWED = "plugins are self-contained; only `import type` is allowed";

/** How the parser says that its own stack is at an end. */
const TOO_DEEP = /^Not enough stack space/;

/** Takes the types out of TypeScript; rejects with the compiler's message. */
export type StripTypes = (text: string) => Promise<string>;

/**
 * Turns a source into the JavaScript a cell runs: JavaScript as it is, TypeScript with its types
 * taken out, line for line.
 *
 * @param bytes the world's bytes
 * @param strip asked only for what is not JavaScript; what it gives is checked like any source
 * @throws {SourceError} not UTF-8, too long, not parseable, a construct of TypeScript that is more
 * than types, or anything that imports
 */
export async function readSource(bytes: Uint8Array, strip: StripTypes): Promise<string> {
  if (bytes.length > MAX_PLUGIN_BYTES) {
    throw new SourceError(
      `Cannot load ${bytes.length} bytes of source: ${MAX_PLUGIN_BYTES} are the most`,
      0,
    );
  }
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw new SourceError("Cannot load the source: it is not UTF-8", 0);
  }
  const tree = parse(text);
  if (!(tree instanceof SourceError)) return checked(text, tree);
  let stripped: string;
  try {
    stripped = await strip(text);
  } catch (error) {
    throw typeScriptFault(error, tree);
  }
  const bare = parse(stripped);
  if (bare instanceof SourceError) throw bare;
  return checked(stripped, bare);
}

function parse(text: string): SyntaxNode | SourceError {
  try {
    return parseJavaScript(text, { ecmaVersion: "latest", sourceType: "module" });
  } catch (error) {
    // Not to be tried again as TypeScript: that parser is native and would take its process with it.
    if (
      error instanceof RangeError || error instanceof SyntaxError && TOO_DEEP.test(error.message)
    ) {
      throw new SourceError("Cannot parse the source: it is nested too deeply", 0);
    }
    if (!(error instanceof SyntaxError)) throw error;
    const line = Number(/\((\d+):\d+\)$/.exec(error.message)?.[1] ?? 0);
    const words = error.message.replace(/ \(\d+:\d+\)$/, "");
    return new SourceError(`Cannot parse the source: ${words} (line ${line})`, line);
  }
}

/** Walks the whole tree: a node of a kind that imports may hang anywhere in it. */
function checked(text: string, tree: SyntaxNode): string {
  const pending: SyntaxNode[] = [tree];
  for (let node = pending.pop(); node; node = pending.pop()) {
    const fault = faultOf(node);
    if (fault) {
      const line = lineOf(text, node.start);
      throw new SourceError(`Cannot load ${fault} (line ${line}): ${ALLOWED}`, line);
    }
    for (const value of Object.values(node)) {
      if (Array.isArray(value)) { for (const item of value) if (isNode(item)) pending.push(item); }
      else if (isNode(value)) pending.push(value);
    }
  }
  return text;
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

function typeScriptFault(error: unknown, asJavaScript: SourceError): SourceError {
  const message = error instanceof Error ? error.message : "";
  const what = /TypeScript ([\w ]+?) is not supported/.exec(message)?.[1];
  if (!what) return asJavaScript;
  const line = Number(/stripTypeScriptTypes\.ts:(\d+)/.exec(message)?.[1] ?? 0);
  return new SourceError(
    `Cannot load a TypeScript ${what} (line ${line}): only what is erased with its types is supported`,
    line,
  );
}
