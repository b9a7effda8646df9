/**
 * Validates a plugin's source and converts it to the JavaScript that a cell runs. A plugin must not
 * import anything: an `npm:` import would ignore the cell's permissions, and a static import would
 * be checked against the server's. The text that is parsed here is the text that is executed; it
 * must not be changed afterwards.
 */

import { MAX_PLUGIN_BYTES } from "../../limits.ts";
import { checkImports, type SourceFault } from "./check_imports.ts";

/** A source is refused; the message has the reason and the line. */
export class SourceError extends Error {
  override readonly name = "SourceError";
  /** @param line line from 1; 0 if the reason concerns the whole source */
  constructor(message: string, readonly line: number) {
    super(message);
  }
}

/** Removes the types from TypeScript. Rejects with the compiler's message. */
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
      0,
    );
  }
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw new SourceError("Cannot load the source: it is not UTF-8", 0);
  }
  const fault = await check(text);
  if (fault === undefined) return text;
  if (fault.kind !== "not-javascript") throw new SourceError(fault.message, fault.line);
  let stripped: string;
  try {
    stripped = await strip(text);
  } catch (error) {
    throw typeScriptFault(error, fault);
  }
  const remaining = await check(stripped);
  if (remaining === undefined) return stripped;
  throw new SourceError(remaining.message, remaining.line);
}

function typeScriptFault(error: unknown, asJavaScript: SourceFault): SourceError {
  const message = error instanceof Error ? error.message : "";
  const what = /TypeScript ([\w ]+?) is not supported/.exec(message)?.[1];
  if (!what) return new SourceError(asJavaScript.message, asJavaScript.line);
  const line = Number(/stripTypeScriptTypes\.ts:(\d+)/.exec(message)?.[1] ?? 0);
  return new SourceError(
    `Cannot load a TypeScript ${what} (line ${line}): only type syntax that can be erased is supported`,
    line,
  );
}
