/**
 * The interface through which a mode of CodeMirror reads a line, and the loop that calls the mode. Pure.
 * See https://codemirror.net/5/doc/manual.html#modeapi.
 */

const TAB = 4;

/** One line. */
class StringStream {
  pos = 0;
  start = 0;

  constructor(string, next) {
    this.string = string;
    this.next_ = next;
  }

  eol = () => this.pos >= this.string.length;
  sol = () => this.pos === 0;
  peek = () => this.string[this.pos];
  current = () => this.string.slice(this.start, this.pos);
  lookAhead = (lines) => this.next_(lines);
  baseToken = () => undefined;
  column = () => columnOf(this.string, this.start);
  indentation = () => columnOf(this.string, this.string.search(/\S|$/));

  next() {
    return this.pos < this.string.length ? this.string[this.pos++] : undefined;
  }

  eat(match) {
    const char = this.string[this.pos];
    if (char === undefined) return undefined;
    const isMatch = typeof match === "string"
      ? char === match
      : match instanceof RegExp
      ? match.test(char)
      : match(char);
    if (!isMatch) return undefined;
    this.pos++;
    return char;
  }

  eatWhile(match) {
    const { pos } = this;
    while (this.eat(match) !== undefined);
    return this.pos > pos;
  }

  eatSpace() {
    const { pos } = this;
    while (/[\s\u00a0]/.test(this.string[this.pos] ?? "")) this.pos++;
    return this.pos > pos;
  }

  skipToEnd() {
    this.pos = this.string.length;
  }

  skipTo(char) {
    const found = this.string.indexOf(char, this.pos);
    if (found < 0) return undefined;
    this.pos = found;
    return true;
  }

  backUp(count) {
    this.pos -= count;
  }

  match(pattern, consume, ignoreCase) {
    if (typeof pattern === "string") {
      const part = this.string.slice(this.pos, this.pos + pattern.length);
      const isSame = ignoreCase ? part.toLowerCase() === pattern.toLowerCase() : part === pattern;
      if (!isSame) return null;
      if (consume !== false) this.pos += pattern.length;
      return true;
    }
    const match = this.string.slice(this.pos).match(pattern);
    if (match === null || match.index > 0) return null;
    if (consume !== false) this.pos += match[0].length;
    return match;
  }
}

function columnOf(text, end) {
  let column = 0;
  for (let at = 0; at < end; at++) column += text[at] === "\t" ? TAB - column % TAB : 1;
  return column;
}

/** A longer line gets no colours, because a mode may look at the rest of a line for each token. */
const MAX_LINE = 500;
/** Times that a mode may be called without reading on. */
const MAX_CALLS = 10;

/**
 * Reads a text line by line. Each step of the iterator is a line with its tokens.
 *
 * @param {any} mode of CodeMirror
 * @param {string} text
 * @returns {Generator<{ style: string, start: number, end: number }[]>}
 */
export function* readTokens(mode, text) {
  const lines = text.split("\n");
  const state = mode.startState?.(TAB) ?? {};
  let offset = 0;
  for (const [index, line] of lines.entries()) {
    const tokens = [];
    if (line === "" || line === "\r") mode.blankLine?.(state, TAB);
    else if (line.length <= MAX_LINE) {
      const stream = new StringStream(line, (count) => lines[index + count]);
      while (!stream.eol()) {
        stream.start = stream.pos;
        let style;
        for (let calls = 0; stream.pos === stream.start; calls++) {
          if (calls === MAX_CALLS) stream.next();
          else style = mode.token(stream, state);
        }
        if (style) tokens.push({ style, start: offset + stream.start, end: offset + stream.pos });
      }
    }
    yield tokens;
    offset += line.length + 1;
  }
}
