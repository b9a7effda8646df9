/** Counts how often a plugin reaches each of its limits, for metrics. */

import type { PluginLimit } from "../../request/plugin_routes.ts";
import type { CellEndKind } from "./cell_run.ts";

/** The limit that ended a run; a run that ends otherwise has reached none, or not a known one. */
const LIMIT_OF_END: Readonly<Partial<Record<CellEndKind, PluginLimit>>> = {
  start: "start",
  silence: "heartbeat",
  memory: "memory",
  protocol: "messages",
};

/** The counters of one plugin. */
export class PluginLimitCounts {
  readonly #counts: Record<PluginLimit, number> = {
    start: 0,
    answer: 0,
    heartbeat: 0,
    memory: 0,
    messages: 0,
    depth: 0,
    work: 0,
    unread: 0,
    query: 0,
  };

  /** Counts a limit that was reached. */
  count(limit: PluginLimit): void {
    this.#counts[limit] += 1;
  }

  /** Counts the limit, if any, that ended a run. */
  countEnd(kind: CellEndKind): void {
    const limit = LIMIT_OF_END[kind];
    if (limit !== undefined) this.count(limit);
  }

  /** How often each limit was reached. */
  get counts(): Readonly<Record<PluginLimit, number>> {
    return { ...this.#counts };
  }
}
