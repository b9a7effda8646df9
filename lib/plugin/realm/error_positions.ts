/**
 * Positions in the texts of errors. A cell loads its plugin from a `data:` URL, so a stack names the
 * whole source; here each position becomes one of the plugin's world. The texts are those of the
 * plugin, and no decision depends on them.
 */

/** Start of the URL from which a cell loads its plugin. */
export const PLUGIN_URL_START = "data:text/javascript;charset=utf-8;base64,";

/** Deno shortens a long URL with dots (2.9.6). */
const PLUGIN_POSITION =
  /data:text\/javascript;charset=utf-8;base64,[A-Za-z0-9+/=.]*(?::(\d+):(\d+))?/g;
/** Longest text of an error in characters. */
const MAX_ERROR_CHARS = 4000;
/** A line of a stack that is not of the plugin. */
const FOREIGN_FRAME = /\n\s+at [^\n]*(?:data:application\/|ext:|node:|file:\/\/)[^\n]*/g;

/**
 * Names positions as `/lib/<name>:<line>:<column>`, and removes the frames of the server's own code.
 *
 * @param text text with the stack of an error; any other text is returned as it is
 * @param name name of the plugin
 */
export function namePositions(text: string, name: string): string {
  if (!text.includes(PLUGIN_URL_START)) return text;
  return text.replace(
    PLUGIN_POSITION,
    (_, line?: string, column?: string) =>
      line === undefined ? `/lib/${name}` : `/lib/${name}:${line}:${column}`,
  ).replace(FOREIGN_FRAME, "");
}

/**
 * Formats an error in one line with its position, without its stack.
 *
 * @param error any value that was thrown
 * @param name name of the plugin
 */
export function formatError(error: unknown, name: string): string {
  if (!(error instanceof Error)) {
    return namePositions(String(error), name).slice(0, MAX_ERROR_CHARS);
  }
  const message = namePositions(`${error.name}: ${error.message}`, name);
  // By index: a plugin can patch the iterator of arrays.
  const found = /data:text\/javascript;[^\s)]*?:(\d+):(\d+)/.exec(error.stack ?? "");
  const position = `/lib/${name}:${found?.[1]}:${found?.[2]}`;
  const isNamed = found === null || message.includes(position);
  return (isNamed ? message : `${message} (${position})`).slice(0, MAX_ERROR_CHARS);
}
