/**
 * How many requests were answered and how, in numbers alone: no name, path or caller comes in here.
 * It stands in the way of every request, so that a count is one addition and nothing is allocated.
 */

import { METHODS } from "../request/gate.ts";

/** Methods that are counted by their names, GET first; all others are `other`. */
const NAMES: readonly string[] = [...METHODS, "other"];
const OTHER = NAMES.length - 1;
const INDEX: ReadonlyMap<string, number> = new Map(NAMES.map((name, index) => [name, index]));
/** Classes 0xx to 5xx; the first stays empty. */
const CLASSES = 6;

/** Upper bounds of the histogram's buckets, in seconds; one more is without bound. */
export const WAIT_BOUNDS: readonly number[] = [
  0.001,
  0.0025,
  0.005,
  0.01,
  0.025,
  0.05,
  0.1,
  0.25,
  0.5,
  1,
  2.5,
  5,
  10,
  30,
];

/** How often a method was answered with a class of status. */
export interface RequestCount {
  /** `GET`, …, or `other`. */
  readonly method: string;
  /** `2xx`. */
  readonly status: string;
  readonly count: number;
}

/** See the module. */
export class RequestCounts {
  readonly #counts = new Float64Array(NAMES.length * CLASSES);
  readonly #buckets = new Float64Array(WAIT_BOUNDS.length + 1);
  #seconds = 0;

  /** Counts an answer. */
  note(method: string, status: number): void {
    const row = method === "GET" ? 0 : INDEX.get(method) ?? OTHER;
    const at = row * CLASSES + Math.floor(status / 100);
    // A typed array drops what lies outside it, so that an odd status cannot do harm.
    this.#counts[at] = (this.#counts[at] ?? 0) + 1;
  }

  /** Notes how long an answer had to wait, in milliseconds. */
  waited(ms: number): void {
    const seconds = ms / 1000;
    let at = 0;
    while (at < WAIT_BOUNDS.length && seconds > (WAIT_BOUNDS[at] ?? 0)) at++;
    this.#buckets[at] = (this.#buckets[at] ?? 0) + 1;
    this.#seconds += seconds;
  }

  /** What was counted, without what never happened. */
  list(): RequestCount[] {
    const found: RequestCount[] = [];
    NAMES.forEach((method, row) => {
      for (let status = 1; status < CLASSES; status++) {
        const count = this.#counts[row * CLASSES + status] ?? 0;
        if (count > 0) found.push({ method, status: `${status}xx`, count });
      }
    });
    return found;
  }

  /** The waits: how many fell into each bucket, not summed up, and all of them together in seconds. */
  waits(): { readonly buckets: readonly number[]; readonly seconds: number } {
    return { buckets: [...this.#buckets], seconds: this.#seconds };
  }
}
