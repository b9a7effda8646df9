/** A request for a shape, and what all requests to one process share. Types only. */

import type { Budget } from "./budget.ts";
import type { ShapeCache } from "./cache.ts";
import type { Env } from "./env.ts";
import type { Generation } from "./generation.ts";
import type { ModelLookup } from "./model.ts";
import type { FormatChoice } from "./negotiate_format.ts";
import type { Settings } from "./settings.ts";

/** Exists from the first request to the end of the process; a new configuration starts another. */
export interface PluginState {
  readonly settings: Settings;
  readonly cache: ShapeCache;
  readonly budget: Budget;
  readonly models: ModelLookup;
  /** Running generations by key. */
  readonly generations: Map<string, Generation>;
}

/** A GET or HEAD of a shape. */
export interface ShapeRequest extends FormatChoice {
  readonly request: Request;
  readonly env: Env;
  readonly state: PluginState;
  /** Path of the source. */
  readonly path: string;
  readonly intent: string;
}
