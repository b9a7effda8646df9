/**
 * Validates a plugin's source and converts it to the JavaScript that a cell runs. A plugin must not
 * import anything: an `npm:` import would ignore the cell's permissions, and a static import would
 * be checked against the server's. The text that is parsed here is the text that is executed; it
 * must not be changed afterwards.
 */

import { MAX_INLINE_IMPORT_CHECK_CHARS, MAX_PLUGIN_BYTES } from "../../limits.ts";
import { checkImports, type SourceFault } from "./check_imports.ts";
import { describeOffset, describePlace, formatPlace, type SourcePlace } from "./source_place.ts";

/** A source is refused; the message has the reason and the place. */
export class SourceError extends Error {
  override readonly name = "SourceError";
  /** @param place undefined if the reason concerns the whole source */
  constructor(message: string, readonly place?: SourcePlace) {
    super(message);
  }
}

/**
 * Removes the types from TypeScript. Rejects with the compiler's message, which ends with the place as
 * `stripTypeScriptTypes.ts:<line>:<column>` if it knows one. Line 0 means that the source ends too early.
 */
export type StripTypes = (text: string) => Promise<string>;

/** Checks a source as {@link checkImports} does, possibly on another thread. */
export type CheckImports = (text: string) => Promise<SourceFault | undefined>;

/**
 * Converts a source to the JavaScript that a cell runs. JavaScript stays as it is. From TypeScript
 * the types are removed; line numbers stay the same.
 *
 * @param bytes bytes of the plugin's world
 * @param strip removes types; called only if the source is not JavaScript. Its result is checked
 * too
 * @param check checks a text; by default on this thread
 * @returns JavaScript without imports
 * @throws {SourceError} the source is not UTF-8, too long, not parseable, imports something, or
 * uses a TypeScript construct that is more than types
 */
export async function validateSource(
  bytes: Uint8Array,
  strip: StripTypes,
  check: CheckImports = (text) => Promise.resolve(checkImports(text)),
): Promise<string> {
  if (bytes.length > MAX_PLUGIN_BYTES) {
    throw new SourceError(
      `Cannot load the source: it has ${bytes.length} bytes; at most ${MAX_PLUGIN_BYTES} are allowed`,
    );
  }
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw new SourceError("Cannot load the source: it is not UTF-8");
  }
  const fault = await check(text);
  if (fault === undefined) return text;
  if (fault.kind !== "not-javascript") throw new SourceError(fault.message, fault.place);
  let stripped: string;
  try {
    stripped = await strip(text);
  } catch (error) {
    throw typeScriptFault(text, error, fault);
  }
  const remaining = await check(stripped);
  if (remaining === undefined) return stripped;
  const { message, place } = remaining;
  // Types were replaced by spaces; the author knows the line with its types.
  throw new SourceError(message, place && describe(text, place.line, place.column));
}

/** Reads a source map only of a source that would also be parsed on this thread. */
function describe(text: string, line: number, column: number): SourcePlace {
  return describePlace(text, line, column, text.length <= MAX_INLINE_IMPORT_CHECK_CHARS);
}

/** Describes a place of the compiler, for which only LF ends a line. */
function describeCompiled(text: string, line: number, column: number): SourcePlace {
  const before = text.split("\n", line - 1).reduce((sum, { length }) => sum + length + 1, 0);
  return describeOffset(text, before + column - 1, text.length <= MAX_INLINE_IMPORT_CHECK_CHARS);
}

function typeScriptFault(text: string, error: unknown, asJavaScript: SourceFault): SourceError {
  const message = error instanceof Error ? error.message : "";
  const [, reason = "", line, column] =
    /^(?:SyntaxError: )?([^]*?) at (?:file:\/\/\/)?stripTypeScriptTypes\.ts:(\d+):(\d+)/
      .exec(message) ?? [];
  if (line === undefined || column === undefined) {
    const { place } = asJavaScript;
    // The compiler failed in another way, such as at its end by the depth of the source.
    if (!message.includes("[InvalidSyntax]")) return new SourceError(asJavaScript.message, place);
    const found = asJavaScript.message.replace(/^Cannot parse the source: /, "");
    return new SourceError(
      `Cannot parse the source: it is not valid TypeScript, and as JavaScript: ${found}`,
      place,
    );
  }
  if (Number(line) === 0) {
    const { message: found, place: end } = asJavaScript;
    const lines = text.trimEnd().split("\n");
    const isEnd = end !== undefined &&
      (end.line > lines.length ||
        end.line === lines.length && end.column > (lines.at(-1) ?? "").length);
    if (isEnd || found.includes(": Unterminated ")) return new SourceError(found, end);
    return new SourceError(`Cannot parse the source: it is not valid TypeScript; ${reason}`);
  }
  const place = describeCompiled(text, Number(line), Number(column));
  const what = /^TypeScript ([\w ]+?) is not supported/.exec(reason)?.[1];
  return new SourceError(
    what === undefined
      ? `Cannot parse the source: ${reason} (${formatPlace(place)})`
      : `Cannot load a TypeScript ${what} (${formatPlace(place)}): only type syntax that can be ` +
        "erased is supported",
    place,
  );
}
