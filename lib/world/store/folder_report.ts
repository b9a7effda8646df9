/**
 * Reports what the start finds in the data folder and cannot use: entries that are not worlds, and
 * worlds whose file cannot be read. Nothing is changed or deleted, and the other worlds are not
 * affected. The number of lines is limited, because a folder can contain any number of such entries.
 */

import { sanitizeText } from "../../base/sanitize_text.ts";
import type { IgnoredEntries } from "./worker_messages.ts";

/** Most lines about unreadable worlds. */
const MAX_LINES = 10;

/** Writes the lines of one start. */
export class FolderReport {
  readonly #damaged = new Set<string>();

  /** @param log writes a line for the operator */
  constructor(readonly log: (line: string) => void) {}

  /** Reports entries of the data folder that are not worlds, in one line. */
  reportIgnored({ count, samples }: IgnoredEntries): void {
    if (count === 0) return;
    const names = samples.map((name) => JSON.stringify(sanitizeText(name))).join(", ");
    this.log(
      `ignored ${count} ${count === 1 ? "entry" : "entries"} of the data folder that ` +
        `${count === 1 ? "is not a world" : "are not worlds"}: ${names}` +
        (count > samples.length ? " and others" : ""),
    );
  }

  /** Reports a world whose file cannot be read: each once, and at most {@link MAX_LINES} of them. */
  reportDamaged(name: string): void {
    if (this.#damaged.has(name) || this.#damaged.size > MAX_LINES) return;
    this.#damaged.add(name);
    this.log(
      this.#damaged.size > MAX_LINES
        ? "further worlds cannot be read; `elastik verify` lists them while the server is stopped"
        : `cannot read /${name}: its file is damaged or not a world; requests for it answer 500`,
    );
  }
}
