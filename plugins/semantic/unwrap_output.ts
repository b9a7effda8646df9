/**
 * Removes the text that models add around their output: white space, a `<think>` part at the beginning,
 * and a Markdown code fence around everything. Works on pieces of text, because the stream must not
 * send text that could still turn out to be part of a fence. Pure.
 */

/** Longest first line of a fence, in characters. */
const MAX_FENCE_LINE = 100;
/** Most white space that is kept in the buffer because it may be the end, in characters. */
const MAX_TRAILING_SPACE = 4096;

/** Unwraps the output of one generation, piece by piece. */
export class OutputUnwrapper {
  readonly #fences: readonly string[];
  #buffer = "";
  #hasBegun = false;
  #isFenced = false;

  /** @param fences languages of a fence that is removed; see `Format.fences` */
  constructor(fences: readonly string[]) {
    this.#fences = fences;
  }

  /** Takes the next piece and returns the text that is certain to belong to the output. */
  push(piece: string): string {
    this.#buffer += piece;
    if (!this.#hasBegun && !this.#skipBeginning()) return "";
    const end = certainLength(this.#buffer, this.#isFenced);
    const certain = this.#buffer.slice(0, end);
    this.#buffer = this.#buffer.slice(end);
    return certain;
  }

  /** Returns the rest of the output after the last piece. */
  end(): string {
    const rest = this.#buffer.trimEnd();
    this.#buffer = "";
    // A `<think>` part without an end: there is no output.
    if (!this.#hasBegun && rest.startsWith("<think>")) return "";
    return this.#isFenced && rest.trimStart() === "```" ? "" : rest;
  }

  /** Removes the text before the output; returns false while more text is needed to decide. */
  #skipBeginning(): boolean {
    this.#buffer = this.#buffer.replace(/^[\s\ufeff]+/, "");
    if (this.#buffer.startsWith("<think>")) {
      const end = this.#buffer.indexOf("</think>");
      if (end < 0) {
        // Keep only what can be the beginning of the end tag.
        this.#buffer = `<think>${this.#buffer.slice(7).slice(-7)}`;
        return false;
      }
      this.#buffer = this.#buffer.slice(end + "</think>".length);
      return this.#skipBeginning();
    }
    if ("<think>".startsWith(this.#buffer) || "```".startsWith(this.#buffer)) return false;
    if (this.#buffer.startsWith("```")) {
      const line = this.#buffer.indexOf("\n");
      if (line < 0 && this.#buffer.length < MAX_FENCE_LINE) return false;
      const language = this.#buffer.slice(3, Math.max(line, 3)).trim().toLowerCase();
      this.#isFenced = line > 0 && this.#fences.includes(language);
      if (this.#isFenced) this.#buffer = this.#buffer.slice(line + 1);
    }
    this.#hasBegun = true;
    return true;
  }
}

/** Returns where the part begins that may be trailing white space or the closing fence. */
function certainLength(text: string, isFenced: boolean): number {
  const earliest = Math.max(0, text.length - MAX_TRAILING_SPACE);
  const spaceBefore = (end: number): number => {
    let at = end;
    while (at > earliest && /\s/.test(text[at - 1] ?? "")) at--;
    return at;
  };
  let at = spaceBefore(text.length);
  if (!isFenced) return at;
  for (let ticks = 0; ticks < 3 && text[at - 1] === "`"; ticks++) at--;
  return spaceBefore(at);
}
