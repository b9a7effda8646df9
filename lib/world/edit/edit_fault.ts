/**
 * Why an edit is not applied, and the budget that bounds the work of one edit. The writer applies edits,
 * so a slow one would delay the changes of other worlds.
 */

import { MAX_EDIT_STEPS } from "../../limits.ts";

/**
 * Why an edit is not applied: `malformed` if no world could take it, `conflict` if this one does not,
 * `too-large` if it exceeds a limit.
 */
export type EditFaultKind = "malformed" | "conflict" | "too-large";

/** Error of an edit that is not applied; the content has not changed. */
export class EditFault extends Error {
  override readonly name = "EditFault";
  /** @param message what was found and what would be sufficient, without a final period */
  constructor(readonly kind: EditFaultKind, message: string) {
    super(message);
  }
}

/** Counts the work of one edit in characters that are read, compared or copied. */
export class EditBudget {
  #left: number;

  /** @param steps most steps */
  constructor(steps: number = MAX_EDIT_STEPS) {
    this.#left = steps;
  }

  /**
   * Counts steps before they are made.
   *
   * @throws {EditFault} `too-large` if there are too many
   */
  spend(steps: number): void {
    this.#left -= steps;
    if (this.#left >= 0) return;
    throw new EditFault(
      "too-large",
      "the edits need too much work for a world of this length; send fewer edits, or the whole content",
    );
  }
}

/** Shortens a text for a message and replaces line breaks and other control characters. */
export function quoteText(text: string): string {
  const short = text.length > 60 ? `${text.slice(0, 60)}…` : text;
  return JSON.stringify(short.replace(/\p{Cc}|\p{Cf}/gu, (char) => char === "\n" ? "\n" : "?"));
}
