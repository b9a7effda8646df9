/**
 * Removes what models put around their output: white space, a `<think>` part at the beginning, and a
 * Markdown code fence around the whole. Works on pieces of text, because a stream must not send the
 * beginning of a fence before it is known to be one. Pure.
 */

/** Longest first line of a fence, in characters. */
const MAX_FENCE_LINE = 100;
/** Most white space that is held back because it may be the end, in characters. */
const MAX_TRAILING_SPACE = 4096;

/** Unwraps the output of one generation, piece by piece. */
export class OutputUnwrapper {
  readonly #fences: readonly string[];
  #held = "";
  #hasBegun = false;
  #isFenced = false;

  /** @param fences languages of a fence that is removed; see `Format.fences` */
  constructor(fences: readonly string[]) {
    this.#fences = fences;
  }

  /** Takes the next piece and returns the text that is certain to belong to the output. */
  push(piece: string): string {
    this.#held += piece;
    if (!this.#hasBegun && !this.#skipBeginning()) return "";
    const end = certainLength(this.#held, this.#isFenced);
    const certain = this.#held.slice(0, end);
    this.#held = this.#held.slice(end);
    return certain;
  }

  /** Returns the rest of the output after the last piece. */
  end(): string {
    const rest = this.#held.trimEnd();
    this.#held = "";
    // A thought that has no end: there is no output.
    if (!this.#hasBegun && rest.startsWith("<think>")) return "";
    return this.#isFenced && rest.trimStart() === "```" ? "" : rest;
  }

  /** Removes what precedes the output; returns false while more text is needed to decide. */
  #skipBeginning(): boolean {
    this.#held = this.#held.replace(/^[\s\ufeff]+/, "");
    if (this.#held.startsWith("<think>")) {
      const end = this.#held.indexOf("</think>");
      if (end < 0) {
        // Keep only what can be the beginning of the end tag.
        this.#held = `<think>${this.#held.slice(7).slice(-7)}`;
        return false;
      }
      this.#held = this.#held.slice(end + "</think>".length);
      return this.#skipBeginning();
    }
    if ("<think>".startsWith(this.#held) || "```".startsWith(this.#held)) return false;
    if (this.#held.startsWith("```")) {
      const line = this.#held.indexOf("\n");
      if (line < 0 && this.#held.length < MAX_FENCE_LINE) return false;
      const language = this.#held.slice(3, Math.max(line, 3)).trim().toLowerCase();
      this.#isFenced = line > 0 && this.#fences.includes(language);
      if (this.#isFenced) this.#held = this.#held.slice(line + 1);
    }
    this.#hasBegun = true;
    return true;
  }
}

/** Returns where the part begins that may be trailing white space or the closing fence. */
function certainLength(text: string, isFenced: boolean): number {
  const least = Math.max(0, text.length - MAX_TRAILING_SPACE);
  const spaceBefore = (end: number): number => {
    let at = end;
    while (at > least && /\s/.test(text[at - 1] ?? "")) at--;
    return at;
  };
  let at = spaceBefore(text.length);
  if (!isFenced) return at;
  for (let ticks = 0; ticks < 3 && text[at - 1] === "`"; ticks++) at--;
  return spaceBefore(at);
}
