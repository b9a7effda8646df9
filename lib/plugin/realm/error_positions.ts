/**
 * Positions in the texts of errors. A cell loads its plugin from a `data:` URL, so a stack names the
 * whole source; here each position becomes one of the author's file, if the source has a map, and of
 * the plugin's world. The texts are those of the plugin, and no decision depends on them.
 */

import { InlineSourceMap } from "../../base/source_map.ts";
import { MAX_SOURCE_MAPPINGS, MAX_SOURCE_NAME_CHARS } from "../../cell_limits.ts";

/** Start of the URL from which a cell loads its plugin. */
export const PLUGIN_URL_START = "data:text/javascript;charset=utf-8;base64,";

/** Deno shortens a long URL with dots (2.9.6). */
const PLUGIN_POSITION =
  /data:text\/javascript;charset=utf-8;base64,[A-Za-z0-9+/=.]*(?::(\d+):(\d+))?/g;
/** What Deno advises about a missing permission (2.9.6). */
const FLAG_ADVICE = /, run again with the --allow-[a-z]+ flag/;
/** Longest text of an error in characters. */
const MAX_ERROR_CHARS = 4000;
/** Frames of a stack in which a file of the author is looked for. */
const SEARCHED_FRAMES = 10;
/** A line of a stack that is not of the plugin. */
const FOREIGN_FRAME = /\n\s+at [^\n]*(?:data:application\/|ext:|node:|file:\/\/)[^\n]*/g;

/** Names the positions of one plugin. */
export class ErrorPositions {
  readonly #name: string;
  readonly #map: InlineSourceMap | undefined;

  /**
   * @param name name of the plugin
   * @param map inline source map of the plugin as base64; it is decoded for the first position
   */
  constructor(name: string, map: string | undefined) {
    this.#name = name;
    const limits = { maxMappings: MAX_SOURCE_MAPPINGS, maxNameChars: MAX_SOURCE_NAME_CHARS };
    this.#map = map === undefined ? undefined : new InlineSourceMap(map, limits);
  }

  /**
   * Names positions as `/lib/<name>:<line>:<column>`, before it the position in the author's file as
   * `<file>:<line>:<column>, `, and removes the frames of the server's own code.
   *
   * @param text text with the stack of an error; any other text is returned as it is
   */
  namePositions(text: string): string {
    if (!text.includes(PLUGIN_URL_START)) return text;
    return text.replace(
      PLUGIN_POSITION,
      (_, line?: string, column?: string) =>
        line === undefined
          ? `/lib/${this.#name}`
          : this.#describe(Number(line), Number(column)).position,
    ).replace(FOREIGN_FRAME, "");
  }

  /**
   * Formats an error in one line, without its stack, with the position of the first frame in a file of
   * the author, or else of the first frame in the plugin.
   *
   * @param error any value that was thrown
   */
  formatError(error: unknown): string {
    if (!(error instanceof Error)) {
      return this.namePositions(String(error)).slice(0, MAX_ERROR_CHARS);
    }
    // The author cannot start the process with other flags.
    const found = error.name === "NotCapable"
      ? error.message.replace(FLAG_ADVICE, "; `permissions` of the plugin must name it")
      : error.message;
    const message = this.namePositions(`${error.name}: ${found}`);
    const position = this.#findPosition(error.stack ?? "");
    const isNamed = position === undefined || message.includes(position);
    return (isNamed ? message : `${message} (${position})`).slice(0, MAX_ERROR_CHARS);
  }

  #findPosition(stack: string): string | undefined {
    const frame = /data:text\/javascript;[^\s)]*?:(\d+):(\d+)/g;
    let first: string | undefined;
    for (let count = 0; count < SEARCHED_FRAMES; count++) {
      // By index: a plugin can patch the iterator of arrays.
      const found = frame.exec(stack);
      if (found === null) break;
      const { position, isPackage } = this.#describe(Number(found[1]), Number(found[2]));
      if (!isPackage) return position;
      first ??= position;
    }
    return first;
  }

  #describe(
    line: number,
    column: number,
  ): { readonly position: string; readonly isPackage: boolean } {
    const stored = `/lib/${this.#name}:${line}:${column}`;
    const found = this.#map?.find(line, column);
    if (found === undefined) return { position: stored, isPackage: false };
    const { file } = found;
    return {
      position: `${file}:${found.line}:${found.column}, ${stored}`,
      isPackage: /^(?:npm|jsr):/.test(file),
    };
  }
}
