/**
 * Writes events of a plugin's cell to the event chain of its world. The rate is limited, because a
 * plugin that fails at every request must not be able to grow its chain without limit. Skipped
 * events are counted in the next event of the same kind.
 */

import { PLUGIN_EVENT_INTERVAL_MS } from "../../limits.ts";
import type { Store } from "../../world/store.ts";
import type { CellEvent } from "../cell/cell.ts";

/** Longest text of a plugin in an event, in characters. */
const MAX_REASON_CHARS = 500;
/** Events of a cell that are written, with their type on the chain. */
const TYPES: Partial<Record<CellEvent["type"], string>> = {
  ended: "plugin_ended",
  timeout: "plugin_timeout",
  uncaught: "plugin_uncaught",
  "circuit-open": "plugin_circuit_open",
};

/** Writes the events of all plugins of a server. */
export class PluginEventLog {
  readonly #last = new Map<string, { at: number; skipped: number }>();

  constructor(
    readonly store: Store,
    readonly now: () => number,
    readonly log: (line: string) => void,
    /** Name of the server in a cluster, for the events. */
    readonly node?: string,
  ) {}

  /**
   * Writes an event of a cell, or counts it if the last one of its kind is too recent.
   *
   * @param name world of the source, `lib/gpu`
   * @param sha256 hash of the source
   */
  addCellEvent(name: string, sha256: string, { type, detail, kind }: CellEvent): void {
    const chainType = TYPES[type];
    if (chainType === undefined) return;
    const key = `${name} ${chainType}`;
    const last = this.#last.get(key);
    const now = this.now();
    if (last !== undefined && now - last.at < PLUGIN_EVENT_INTERVAL_MS) {
      last.skipped += 1;
      return;
    }
    this.#last.set(key, { at: now, skipped: 0 });
    void this.write(name, chainType, {
      source_sha256: sha256,
      ...(kind === undefined ? {} : { kind }),
      reason: detail.slice(0, MAX_REASON_CHARS),
      ...(last !== undefined && last.skipped > 0 ? { not_noted_before: last.skipped } : {}),
    });
  }

  /** Writes that a source was refused. */
  writeRefusal(name: string, sha256: string, detail: string, by: string): Promise<void> {
    const reason = detail.slice(0, MAX_REASON_CHARS);
    return this.write(name, "plugin_refused", { source_sha256: sha256, reason }, by);
  }

  /** Writes one event to the chain of a world. A failure is logged; it does not reject. */
  async write(
    name: string,
    type: string,
    payload: Readonly<Record<string, unknown>>,
    by = "machine",
  ): Promise<void> {
    try {
      const named = this.node === undefined ? payload : { ...payload, node: this.node };
      await this.store.note({ name, by, type, payload: named });
    } catch (error) {
      this.log(
        `Cannot write event ${type} to /${name}: ${error instanceof Error ? error.message : error}`,
      );
    }
  }
}
