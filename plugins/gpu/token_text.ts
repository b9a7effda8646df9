/** Joins the tokens of a response where a character is split between two of them. */

/** Matches text that ends with the first half of a surrogate pair. */
const OPEN_PAIR = /[\ud800-\udbff]$/;

/**
 * Returns the text of tokens in whole characters. A backend may send the two halves of a character
 * outside the Basic Multilingual Plane as escapes in two frames (`\ud83d`, `\ude00`); encoded separately,
 * each would become U+FFFD.
 */
export class TokenText {
  #half = "";

  /** Returns the text that is complete by now. */
  push(token: string): string {
    const text = this.#half + token;
    this.#half = OPEN_PAIR.test(text) ? text.slice(-1) : "";
    return this.#half === "" ? text : text.slice(0, -1);
  }

  /** Returns what is left at the end: U+FFFD for half a character. */
  end(): string {
    const rest = this.#half.toWellFormed();
    this.#half = "";
    return rest;
  }
}
