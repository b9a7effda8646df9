/**
 * What may be a plugin's source, and the JavaScript that is run of it. A plugin imports nothing: an
 * `npm:` import would ignore the cell's permissions, a literal one would be checked against the
 * server's. The text that is parsed here is exactly the text that is executed; nobody may change a
 * character of it afterwards.
 */

import { MAX_PLUGIN_BYTES } from "../../limits.ts";
import { checkImports, type SourceFault } from "./check_imports.ts";

/** A source cannot be a plugin; the message says what and on which line. */
export class SourceError extends Error {
  override readonly name = "SourceError";
  /** @param line counted from 1; 0 when the whole source is meant */
  constructor(message: string, readonly line: number) {
    super(message);
  }
}

/** Takes the types out of TypeScript; rejects with the compiler's message. */
export type StripTypes = (text: string) => Promise<string>;

/** Says what {@link checkImports} says, wherever it does so. */
export type CheckImports = (text: string) => Promise<SourceFault | undefined>;

/**
 * Turns a source into the JavaScript a cell runs: JavaScript as it is, TypeScript with its types
 * taken out, line for line.
 *
 * @param bytes the world's bytes
 * @param strip asked only for what is not JavaScript; what it gives is checked like any source
 * @param examine where to parse; here, unless told
 * @throws {SourceError} not UTF-8, too long, not parseable, a construct of TypeScript that is more
 * than types, or anything that imports
 */
export async function validateSource(
  bytes: Uint8Array,
  strip: StripTypes,
  examine: CheckImports = (text) => Promise.resolve(checkImports(text)),
): Promise<string> {
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
  const fault = await examine(text);
  if (fault === undefined) return text;
  if (fault.kind !== "no-javascript") throw new SourceError(fault.message, fault.line);
  let stripped: string;
  try {
    stripped = await strip(text);
  } catch (error) {
    throw typeScriptFault(error, fault);
  }
  const left = await examine(stripped);
  if (left === undefined) return stripped;
  throw new SourceError(left.message, left.line);
}

function typeScriptFault(error: unknown, asJavaScript: SourceFault): SourceError {
  const message = error instanceof Error ? error.message : "";
  const what = /TypeScript ([\w ]+?) is not supported/.exec(message)?.[1];
  if (!what) return new SourceError(asJavaScript.message, asJavaScript.line);
  const line = Number(/stripTypeScriptTypes\.ts:(\d+)/.exec(message)?.[1] ?? 0);
  return new SourceError(
    `Cannot load a TypeScript ${what} (line ${line}): only what is erased with its types is supported`,
    line,
  );
}
