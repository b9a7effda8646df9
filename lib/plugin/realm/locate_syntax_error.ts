/**
 * Finds the place of a syntax error in TypeScript, in the cell that removes types. The function of the
 * runtime that does that does not say the place; an import of the same text does (Deno 2.9.6). The text
 * is changed so that it never parses, so nothing in it is loaded or run. That must not be the only reason:
 * it is imported in a process without any permission, which refuses every import.
 */

/** Request for the removal of types. */
export const STRIP_URL = "http://types/";
/** The same, with the place of a syntax error. */
export const LOCATE_URL = "http://types/?locate";

const TYPESCRIPT_URL_START = "data:application/typescript;charset=utf-8;base64,";
/** An error after every text: it ends a comment, and `#` without a name cannot be parsed. */
const GUARD = "\n*/\n#";
const UNCLOSED = "a string, a comment or a bracket may not be closed";
const IMPORT_ERROR = /^SyntaxError: ([^\n]*)[^]*:(\d+):(\d+)$/;
const STRIP_ERROR = /^([^]*) at file:\/\/\/stripTypeScriptTypes\.ts:(\d+):(\d+)$/;
/** Columns that a tab counts in the two messages (Deno 2.9.6). */
const TAB_COLUMNS = { import: 2, strip: 4 } as const;
/** Longest reason in characters. */
const REASON_CHARS = 200;

/**
 * Finds the place of the first syntax error.
 *
 * @param text TypeScript
 * @param error what the removal of types threw
 * @param isImported whether the text may be imported to find the place
 * @returns an error whose message ends with `stripTypeScriptTypes.ts:<line>:<column>`, or 0:0 if the text
 * ends too early; the given error if the place is not known
 */
export async function locateSyntaxError(
  text: string,
  error: unknown,
  isImported: boolean,
): Promise<unknown> {
  const message = messageOf(error);
  const [, found, line, column] = STRIP_ERROR.exec(message) ?? [];
  if (found !== undefined) {
    return located(text, found, Number(line), Number(column), TAB_COLUMNS.strip);
  }
  if (!isImported || !message.includes("[InvalidSyntax]")) return error;
  try {
    await import(TYPESCRIPT_URL_START + new TextEncoder().encode(text + GUARD).toBase64());
  } catch (refused) {
    const [, reason, at, display] = IMPORT_ERROR.exec(messageOf(refused)) ?? [];
    if (reason !== undefined) {
      return located(text, reason, Number(at), Number(display), TAB_COLUMNS.import);
    }
  }
  return error;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : "";
}

/** The compiler counts characters, and several columns for a tab. */
function located(
  text: string,
  reason: string,
  line: number,
  display: number,
  tabColumns: number,
): Error {
  const lines = text.split("\n");
  // The compiler took all lines of the text, and stopped at the guard.
  if (line > lines.length) return new SyntaxError(`${UNCLOSED} at stripTypeScriptTypes.ts:0:0`);
  let column = 1;
  let shown = 1;
  for (const character of lines[line - 1] ?? "") {
    if (shown >= display) break;
    shown += character === "\t" ? tabColumns : 1;
    column += character.length;
  }
  const place = `stripTypeScriptTypes.ts:${line}:${column}`;
  return new SyntaxError(`${reason.slice(0, REASON_CHARS)} at ${place}`);
}
