/** Figures about reloads of the settings, for metrics. */

/** How often the server reread its settings since the start, and when last. */
export interface ReloadCounts {
  /** Reloads that applied every change; one that a restart must complete is among them. */
  readonly ok: number;
  /** Reloads that could not use a value and kept the old one. */
  readonly failed: number;
  /** Unix milliseconds of the last reload of each kind; 0 before the first. */
  readonly lastOk: number;
  readonly lastFailed: number;
}
