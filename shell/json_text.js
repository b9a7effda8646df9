/**
 * Parses JSON to a tree that keeps what is written: numbers and strings as they are spelled, members
 * in their order, and repeated names. `JSON.parse` loses all of these. Pure.
 *
 * @typedef {{ kind: "string" | "number" | "boolean" | "null", text: string }} Scalar
 * @typedef {{ kind: "array", items: Value[] }} List
 * @typedef {{ kind: "object", members: { name: string, value: Value }[] }} Members
 * @typedef {Scalar | List | Members} Value
 */

const SPACE = /[ \t\n\r]*/y;
const WORD = /[^\s"[\]{}:,]*/y;

/**
 * Parses a document. A byte order mark is ignored. The name of a member is its text without quotes,
 * as it is written.
 *
 * @param {string} source
 * @returns {Value}
 * @throws {SyntaxError} if it is not JSON
 */
export function parseJsonText(source) {
  const text = source.replace(/^\ufeff/, "");
  // Throws for everything that is not JSON, so that the rest only has to find where tokens end.
  JSON.parse(text);
  return read(text);
}

/**
 * Parses one document per line (JSON Lines) to a list. Blank lines are left out.
 *
 * @param {string} source
 * @returns {Value}
 * @throws {SyntaxError} if a line is not JSON; the message names it
 */
export function parseJsonLines(source) {
  const items = [];
  for (const [at, line] of source.replace(/^\ufeff/, "").split(/\r\n|\n|\r/).entries()) {
    if (line.trim() === "") continue;
    try {
      items.push(parseJsonText(line));
    } catch (error) {
      throw new SyntaxError(`line ${at + 1}: ${error.message}`);
    }
  }
  return { kind: "array", items };
}

/** Reads valid JSON, without recursion, because a text can be nested deeply. */
function read(text) {
  const root = { kind: "array", items: [] };
  const open = [root];
  /** The name that the next value belongs to. */
  let name;
  for (let at = skip(SPACE, text, 0); at < text.length; at = skip(SPACE, text, at)) {
    const parent = open[open.length - 1];
    const start = at++;
    const first = text[start];
    if (first === "}" || first === "]") open.pop();
    else if (first === '"') {
      at = stringEnd(text, at);
      if (parent.kind === "object" && name === undefined) name = text.slice(start + 1, at - 1);
      else add({ kind: "string", text: text.slice(start, at) });
    } else if (first === "{") open.push(add({ kind: "object", members: [] }));
    else if (first === "[") open.push(add({ kind: "array", items: [] }));
    else if (first !== "," && first !== ":") {
      at = skip(WORD, text, start);
      const word = text.slice(start, at);
      const kind = word === "null" ? word : /^[tf]/.test(word) ? "boolean" : "number";
      add({ kind, text: word });
    }
  }
  return root.items[0];

  function add(value) {
    const parent = open[open.length - 1];
    if (parent.kind === "array") parent.items.push(value);
    else parent.members.push({ name, value });
    name = undefined;
    return value;
  }
}

function skip(pattern, text, at) {
  pattern.lastIndex = at;
  pattern.test(text);
  return pattern.lastIndex;
}

/** Returns the offset after the quote that ends a string. */
function stringEnd(text, from) {
  for (let at = from;;) {
    const quote = text.indexOf('"', at);
    let before = quote;
    while (text[before - 1] === "\\") before--;
    if ((quote - before) % 2 === 0) return quote + 1;
    at = quote + 1;
  }
}
