/**
 * Puts what befalls a plugin's cell on the event chain of its world, at a bounded rate: a plugin that
 * fails at every request must not be able to grow its chain without end. What was not written is
 * counted in the next note.
 */

import type { Store } from "../../world/store.ts";
import type { CellEvent } from "../cell/cell.ts";

/** Least time between two notes of one kind about one plugin, in milliseconds. */
const PAUSE_MS = 10_000;
/** Longest words of a plugin that are kept in a note, in characters. */
const WORDS = 500;
/** Events of a cell that belong on the chain, and as what. */
const TYPES: Partial<Record<CellEvent["type"], string>> = {
  ended: "plugin_ended",
  timeout: "plugin_timeout",
  "circuit-open": "plugin_circuit_open",
};

/** Writes notes for one machine. */
export class PluginEventLog {
  readonly #last = new Map<string, { at: number; skipped: number }>();

  constructor(
    readonly store: Store,
    readonly now: () => number,
    readonly log: (line: string) => void,
  ) {}

  /** Notes an event of a cell, or counts it. */
  addCellEvent(name: string, sha256: string, { type, detail, kind }: CellEvent): void {
    const noted = TYPES[type];
    if (noted === undefined) return;
    const key = `${name} ${noted}`;
    const last = this.#last.get(key);
    const now = this.now();
    if (last !== undefined && now - last.at < PAUSE_MS) {
      last.skipped += 1;
      return;
    }
    this.#last.set(key, { at: now, skipped: 0 });
    void this.write(name, noted, {
      source_sha256: sha256,
      ...(kind === undefined ? {} : { kind }),
      reason: detail.slice(0, WORDS),
      ...(last !== undefined && last.skipped > 0 ? { not_noted_before: last.skipped } : {}),
    });
  }

  /** Puts one event on a chain; a world that is gone meanwhile needs none. */
  async write(
    name: string,
    type: string,
    payload: Readonly<Record<string, unknown>>,
    by = "machine",
  ): Promise<void> {
    try {
      await this.store.note({ name, by, type, payload });
    } catch (error) {
      this.log(`no note of ${type} on ${name}: ${error instanceof Error ? error.message : error}`);
    }
  }
}
