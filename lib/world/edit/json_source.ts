/**
 * A JSON text (RFC 8259) with the position of each of its values, in one table of numbers: edits find
 * what they change without copying the rest. Neither comments nor trailing commas are allowed. It uses
 * no recursion, so that deep nesting cannot exhaust the stack.
 */

import { createJsonScanner, type JsonScanner } from "../../deps/jsonc_parser.ts";

/** The kinds of tokens of the scanner, whose type is a `const enum` without values at run time. */
const TOKEN = {
  openBrace: 1,
  closeBrace: 2,
  openBracket: 3,
  closeBracket: 4,
  comma: 5,
  colon: 6,
  null: 7,
  true: 8,
  false: 9,
  string: 10,
  number: 11,
  lineBreak: 14,
  space: 15,
  end: 17,
} as const;

/** Kind of a JSON value. */
export type JsonKind = "object" | "array" | "string" | "number" | "literal";

const KINDS: readonly JsonKind[] = ["object", "array", "string", "number", "literal"];
const [OBJECT, ARRAY, STRING, NUMBER, LITERAL] = [0, 1, 2, 3, 4] as const;

/** Numbers of one value in the table. */
const FIELDS = 7;
const [KIND, START, END, NEXT, DEPTH, KEY_START, KEY_END] = [0, 1, 2, 3, 4, 5, 6] as const;

/** What the grammar allows next. */
type Expected = "value" | "valueOrEnd" | "key" | "keyOrEnd" | "colon" | "separator" | "end";

const EXPECTED_WORDS: Readonly<Record<Expected, string>> = {
  value: "a value",
  valueOrEnd: "a value or ]",
  key: "a name in double quotes",
  keyOrEnd: "a name in double quotes or }",
  colon: "a colon",
  separator: "a comma or the end of the array or object",
  end: "the end of the text",
};

/** Error of a text that is not JSON. */
export class JsonSyntaxFault extends Error {
  override readonly name = "JsonSyntaxFault";
}

/** A parsed JSON text. Values have numbers in the order of the text; 0 is the outermost. */
export class JsonSource {
  /** Values of the whole text, in rows of {@link FIELDS} numbers. */
  readonly #table: Int32Array;
  #hasPlainNames: boolean | undefined;

  private constructor(readonly text: string, table: Int32Array) {
    this.#table = table;
  }

  /**
   * Parses a text.
   *
   * @param text JSON without a byte order mark
   * @throws {JsonSyntaxFault} with line and column
   */
  static parse(text: string): JsonSource {
    return new JsonSource(text, new Parser(text).parse());
  }

  /** Number of values in the text. */
  get size(): number {
    return this.next(0);
  }

  /** Kind of a value. */
  kind(id: number): JsonKind {
    return KINDS[this.#at(id, KIND)] ?? "literal";
  }

  /** Offset of the first character of a value. */
  start(id: number): number {
    return this.#at(id, START);
  }

  /** Offset after the last character of a value. */
  end(id: number): number {
    return this.#at(id, END);
  }

  /** Number of the first value after this one and what it contains. */
  next(id: number): number {
    return this.#at(id, NEXT);
  }

  /** Levels of arrays and objects in a value; 0 for a scalar. */
  depth(id: number): number {
    return this.#at(id, DEPTH);
  }

  /** Offset of the name of a member, or of an element itself. */
  itemStart(id: number): number {
    const key = this.#at(id, KEY_START);
    return key < 0 ? this.start(id) : key;
  }

  /** Offset after the name of a member. */
  keyEnd(id: number): number {
    return this.#at(id, KEY_END);
  }

  /** Whether no name in the text has an escape, so that its characters are the name. */
  get hasPlainNames(): boolean {
    return this.#hasPlainNames ??= !this.text.includes("\\");
  }

  /** Whether a member has a name, in a text with plain names. */
  hasPlainName(id: number, name: string): boolean {
    const start = this.#at(id, KEY_START);
    return this.#at(id, KEY_END) - start === name.length + 2 &&
      this.text.startsWith(name, start + 1);
  }

  /** The decoded name of a member. */
  key(id: number): string {
    return decodeString(this.text, this.#at(id, KEY_START), this.#at(id, KEY_END));
  }

  /** The text of a value as it was written. */
  textOf(id: number): string {
    return this.text.slice(this.start(id), this.end(id));
  }

  /** The decoded value of a string. */
  stringOf(id: number): string {
    return decodeString(this.text, this.start(id), this.end(id));
  }

  #at(id: number, field: number): number {
    return this.#table[id * FIELDS + field] ?? 0;
  }
}

function decodeString(text: string, start: number, end: number): string {
  const raw = text.slice(start + 1, end - 1);
  return raw.includes("\\") ? String(JSON.parse(text.slice(start, end))) : raw;
}

class Parser {
  readonly #scanner: JsonScanner;
  readonly #text: string;
  #table = new Int32Array(64 * FIELDS);
  #count = 0;
  /** The open arrays and objects. */
  readonly #open: number[] = [];
  #keyStart = -1;
  #keyEnd = -1;

  constructor(text: string) {
    this.#text = text;
    this.#scanner = createJsonScanner(text);
  }

  parse(): Int32Array {
    let expected: Expected = "value";
    for (;;) {
      const token = this.#nextToken();
      if (token === TOKEN.end && expected === "end") return this.#table;
      expected = this.#step(token, expected);
    }
  }

  #nextToken(): number {
    for (;;) {
      const token: number = this.#scanner.scan();
      if (token !== TOKEN.space && token !== TOKEN.lineBreak) return token;
    }
  }

  #step(token: number, expected: Expected): Expected {
    if (this.#scanner.getTokenError() !== 0) throw this.#fault(expected);
    switch (expected) {
      case "valueOrEnd":
        return token === TOKEN.closeBracket ? this.#close(ARRAY) : this.#value(token, expected);
      case "value":
        return this.#value(token, expected);
      case "keyOrEnd":
        if (token === TOKEN.closeBrace) return this.#close(OBJECT);
        return this.#key(token, expected);
      case "key":
        return this.#key(token, expected);
      case "colon":
        if (token === TOKEN.colon) return "value";
        break;
      case "separator": {
        const isObject = this.#kindOf(this.#open.at(-1) ?? 0) === OBJECT;
        if (token === TOKEN.comma) return isObject ? "key" : "value";
        if (token === (isObject ? TOKEN.closeBrace : TOKEN.closeBracket)) {
          return this.#close(isObject ? OBJECT : ARRAY);
        }
        break;
      }
      case "end":
        break;
    }
    throw this.#fault(expected);
  }

  #key(token: number, expected: Expected): Expected {
    if (token !== TOKEN.string) throw this.#fault(expected);
    this.#keyStart = this.#scanner.getTokenOffset();
    this.#keyEnd = this.#keyStart + this.#scanner.getTokenLength();
    return "colon";
  }

  #value(token: number, expected: Expected): Expected {
    switch (token) {
      case TOKEN.openBrace:
        this.#open.push(this.#add(OBJECT));
        return "keyOrEnd";
      case TOKEN.openBracket:
        this.#open.push(this.#add(ARRAY));
        return "valueOrEnd";
      case TOKEN.string:
        return this.#finish(this.#add(STRING));
      case TOKEN.number:
        return this.#finish(this.#add(NUMBER));
      case TOKEN.null:
      case TOKEN.true:
      case TOKEN.false:
        return this.#finish(this.#add(LITERAL));
    }
    throw this.#fault(expected);
  }

  #close(kind: number): Expected {
    const id = this.#open.pop();
    if (id === undefined || this.#kindOf(id) !== kind) throw this.#fault("separator");
    this.#set(id, DEPTH, (this.#table[id * FIELDS + DEPTH] ?? 0) + 1);
    return this.#finish(id);
  }

  /** Completes a value. */
  #finish(id: number): Expected {
    this.#set(id, END, this.#scanner.getTokenOffset() + this.#scanner.getTokenLength());
    this.#set(id, NEXT, this.#count);
    const parent = this.#open.at(-1);
    if (parent === undefined) return "end";
    const [depth = 0, known = 0] = [
      this.#table[id * FIELDS + DEPTH],
      this.#table[parent * FIELDS + DEPTH],
    ];
    this.#set(parent, DEPTH, Math.max(depth, known));
    return "separator";
  }

  #add(kind: number): number {
    const id = this.#count++;
    if (this.#table.length < this.#count * FIELDS) {
      const longer = new Int32Array(this.#table.length * 2);
      longer.set(this.#table);
      this.#table = longer;
    }
    const table = this.#table;
    const row = id * FIELDS;
    table[row + KIND] = kind;
    table[row + START] = this.#scanner.getTokenOffset();
    table[row + KEY_START] = this.#keyStart;
    table[row + KEY_END] = this.#keyEnd;
    this.#keyStart = this.#keyEnd = -1;
    return id;
  }

  #kindOf(id: number): number {
    return this.#table[id * FIELDS + KIND] ?? 0;
  }

  #set(id: number, field: number, value: number): void {
    this.#table[id * FIELDS + field] = value;
  }

  #fault(expected: Expected): JsonSyntaxFault {
    const at = this.#scanner.getTokenOffset();
    const before = this.#text.slice(0, at);
    const line = before.split("\n").length;
    const column = at - (before.lastIndexOf("\n") + 1) + 1;
    return new JsonSyntaxFault(
      `it is not JSON at line ${line}, column ${column}: ${EXPECTED_WORDS[expected]} is expected`,
    );
  }
}
