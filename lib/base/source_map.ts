/**
 * Reads the inline source map of a bundled module (ECMA-426): which file, line and column of its author
 * a position comes from. A map is untrusted: it is decoded only for the first position, up to a number of
 * mappings, into arrays of numbers, and a malformed map has no positions.
 *
 * A package is not used for this: the module is also part of the program of a cell, which cannot import
 * one, and the known packages decode a whole map into arrays of arrays, without a limit. The tests
 * compare it with `SourceMap` of `node:module`.
 */

/** The last line of a module with an inline map. The content of a file is not searched for another. */
const MAP_LINE = "\n//# sourceMappingURL=data:application/json;";
const MAP_DATA = /^(?:charset=[\w-]+;)?base64,([A-Za-z0-9+/=]+)\s*$/i;
/** Later comments of these kinds replace earlier ones, and an empty one means that there is none. */
const NO_MAP = "\n//# sourceURL=\n//# sourceMappingURL=";
/** Characters that stay in the shown name of a file. */
const SHOWN = /[^\p{L}\p{M}\p{N} ._@+~=$[\]-]/gu;
const SEMICOLON = 59;
const COMMA = 44;
/** Numbers per mapping: column, source, line, column; the source is -1 if there is none. */
const FIELDS = 4;
const MAX_INT32 = 0x7fffffff;

/** A module without its source map. */
export interface SplitModule {
  /** The code, with the same lines, and comments at its end that keep the engine from reading a map. */
  readonly code: string;
  /** The map as base64, if the code ends with one. */
  readonly map?: string;
}

/** A position in a file of the author. Line and column begin at 1. */
export interface AuthorPosition {
  /** Shown name: relative to the plugin, or of a package; see {@link showSourceName}. */
  readonly file: string;
  readonly line: number;
  readonly column: number;
}

/** Limits of a map. */
export interface SourceMapLimits {
  /** Mappings and lines that are decoded; later positions have none. */
  readonly maxMappings: number;
  /** Longest shown name of a file in characters; a position in a file with a longer one has none. */
  readonly maxNameChars: number;
}

/**
 * Separates a module from its inline source map.
 *
 * @param text source of a module that is syntactically right
 *
 * @example
 * ```ts
 * import { strictEqual } from "node:assert/strict";
 * import { splitSourceMap } from "./source_map.ts";
 *
 * const { code, map } = splitSourceMap("f();\n//# sourceMappingURL=data:application/json;base64,e30=\n");
 * strictEqual(code.split("\n")[0], "f();");
 * strictEqual(map, "e30=");
 * strictEqual(splitSourceMap("f();").map, undefined);
 * ```
 */
export function splitSourceMap(text: string): SplitModule {
  const at = text.lastIndexOf(MAP_LINE);
  const data = at < 0 ? undefined : MAP_DATA.exec(text.slice(at + MAP_LINE.length))?.[1];
  if (data === undefined) return { code: text + NO_MAP };
  return { code: text.slice(0, at) + NO_MAP, map: data };
}

/**
 * Returns the shown name of a file of a source map. It never has the name of a host or of a folder
 * outside that of the plugin: an absolute path and a URL become the name of the file.
 *
 * @param source entry of `sources`
 * @param maxChars longest shown name
 * @returns undefined if the name is too long, or nothing is left
 *
 * @example
 * ```ts
 * import { deepStrictEqual } from "node:assert/strict";
 * import { showSourceName } from "./source_map.ts";
 *
 * const show = (name: string) => showSourceName(name, 40);
 * deepStrictEqual(show("./src/a.ts"), "src/a.ts");
 * deepStrictEqual(show("../../etc/shadow"), "shadow");
 * deepStrictEqual(show("https://ada:secret@example.com/b.ts?c"), "b.ts");
 * deepStrictEqual(show("npm:hono@4.13.19/dist/hono.js"), "npm:hono@4.13.19/dist/hono.js");
 * ```
 */
export function showSourceName(source: string, maxChars: number): string | undefined {
  // Longer names would only be cut.
  if (source.length > 4 * maxChars) return undefined;
  const [, scheme = "", rest = ""] = /^([a-z][a-z0-9+.-]*:)?([^]*)$/i.exec(source) ?? [];
  const isPackage = scheme === "npm:" || scheme === "jsr:";
  const path = rest.replaceAll("\\", "/").replace(/[?#][^]*$/, "");
  const segments = path.split("/").filter((segment) => segment !== "" && segment !== ".");
  const isInside = isPackage || scheme === "" && !path.startsWith("/");
  const isPlain = isInside && segments.lastIndexOf("..") <= (isPackage ? -1 : 0);
  const shown = (isPlain ? segments : segments.slice(-1))
    .map((segment) => segment.replace(SHOWN, "?")).join("/");
  const isName = /[^./?]/.test(shown) && (isPlain || segments.at(-1) !== "..");
  const name = `${isPackage && isPlain ? scheme : ""}${shown}`;
  return isName && name.length <= maxChars ? name : undefined;
}

/** An inline source map. */
export class InlineSourceMap {
  readonly #data: string;
  readonly #limits: SourceMapLimits;
  #table: MappingTable | undefined;

  /**
   * @param data the map as base64, as {@link splitSourceMap} returns it
   * @param limits limits of the map
   */
  constructor(data: string, limits: SourceMapLimits) {
    this.#data = data;
    this.#limits = limits;
  }

  /**
   * Finds the position in the author's file.
   *
   * @param line line of the module, from 1
   * @param column column of the module in UTF-16 code units, from 1
   * @returns undefined if the map has none
   */
  find(line: number, column: number): AuthorPosition | undefined {
    this.#table ??= readTable(this.#data, this.#limits.maxMappings);
    const { lines, numbers, sources } = this.#table;
    let low = lines[line - 1] ?? 0;
    let high = lines[line] ?? 0;
    // The last mapping of the line at or before the column.
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((numbers[middle * FIELDS] ?? 0) < column) low = middle + 1;
      else high = middle;
    }
    const at = (low - 1) * FIELDS;
    if (low <= (lines[line - 1] ?? 0)) return undefined;
    const source = sources[numbers[at + 1] ?? -1];
    const file = typeof source === "string"
      ? showSourceName(source, this.#limits.maxNameChars)
      : undefined;
    if (file === undefined) return undefined;
    return { file, line: (numbers[at + 2] ?? 0) + 1, column: (numbers[at + 3] ?? 0) + 1 };
  }
}

/** The mappings of a module. */
interface MappingTable {
  /** Index of the first mapping of each line, and the number of all mappings at the end. */
  readonly lines: readonly number[];
  readonly numbers: Int32Array;
  /** Names of the files, not validated. */
  readonly sources: readonly unknown[];
}

/** A malformed map is one without mappings: a position without a file is still one of the module. */
function readTable(data: string, maxMappings: number): MappingTable {
  const empty = { lines: [], numbers: new Int32Array(), sources: [] };
  let map: unknown;
  try {
    map = JSON.parse(new TextDecoder().decode(Uint8Array.fromBase64(data)));
  } catch {
    return empty; // not base64, or not JSON
  }
  if (typeof map !== "object" || map === null) return empty;
  const sources: unknown = Reflect.get(map, "sources");
  const mappings: unknown = Reflect.get(map, "mappings");
  if (!Array.isArray(sources) || typeof mappings !== "string") return empty;
  return { ...decodeMappings(mappings, maxMappings), sources };
}

/** Decodes mappings up to the limit, or to the first malformed one. */
function decodeMappings(
  text: string,
  maxMappings: number,
): Pick<MappingTable, "lines" | "numbers"> {
  const lines = [0];
  let numbers = new Int32Array(1024 * FIELDS);
  let count = 0;
  // Column of the module; source, line and column of the author. All but the first continue over lines.
  const state = [0, 0, 0, 0];
  for (let at = 0; at < text.length && count + lines.length < maxMappings;) {
    const code = text.charCodeAt(at);
    if (code === SEMICOLON) {
      lines.push(count);
      state[0] = 0;
      at++;
    } else if (code === COMMA) at++;
    else {
      let fields = 0;
      for (; at < text.length; fields++) {
        const next = text.charCodeAt(at);
        if (next === COMMA || next === SEMICOLON) break;
        let value = 0;
        let shift = 0;
        let digit: number;
        do {
          digit = base64Digit(text.charCodeAt(at++));
          if (digit < 0 || shift > 30) return { lines: [...lines, count], numbers };
          value += (digit & 31) * 2 ** shift;
          shift += 5;
        } while (digit > 31);
        // The lowest bit is the sign. A fifth number is a name, which is not used.
        if (fields < FIELDS) {
          const sum = (state[fields] ?? 0) + (value % 2 === 1 ? -1 : 1) * Math.floor(value / 2);
          if (sum < 0 || sum > MAX_INT32) return { lines: [...lines, count], numbers };
          state[fields] = sum;
        }
      }
      if (count * FIELDS === numbers.length) {
        const longer = new Int32Array(numbers.length * 2);
        longer.set(numbers);
        numbers = longer;
      }
      const start = count++ * FIELDS;
      for (let field = 0; field < FIELDS; field++) numbers[start + field] = state[field] ?? 0;
      if (fields < FIELDS) numbers[start + 1] = -1;
    }
  }
  lines.push(count);
  return { lines, numbers };
}

/** Value of a digit of base64 (RFC 4648 §4), or -1. */
function base64Digit(code: number): number {
  if (code >= 65 && code <= 90) return code - 65;
  if (code >= 97 && code <= 122) return code - 71;
  if (code >= 48 && code <= 57) return code + 4;
  return code === 43 ? 62 : code === 47 ? 63 : -1;
}
