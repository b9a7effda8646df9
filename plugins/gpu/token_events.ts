/**
 * The response of `/dev/gpu/stream` as server-sent events (WHATWG HTML §9.2): one event per token.
 */

import { formatEvent } from "../kit/sse.ts";

/**
 * Formats tokens as events. A carriage return at the end of a token waits for the next token, which
 * may begin with the line feed that belongs to it.
 */
export class TokenEvents {
  #carriageReturn = "";

  /** The events of some tokens; empty if nothing can be sent yet. */
  format(tokens: readonly string[]): string {
    let events = "";
    for (const token of tokens) {
      const text = this.#carriageReturn + token;
      this.#carriageReturn = text.endsWith("\r") ? "\r" : "";
      const ready = this.#carriageReturn === "" ? text : text.slice(0, -1);
      if (ready !== "") events += formatEvent(ready);
    }
    return events;
  }

  /** The last events: what waits, the error if there is one, and `done` with its reason. */
  end(finish: string, error?: string): string {
    const rest = this.#carriageReturn;
    this.#carriageReturn = "";
    return (rest === "" ? "" : formatEvent(rest)) +
      (error === undefined ? "" : formatEvent(error, "error")) +
      formatEvent(finish, "done");
  }
}
