/**
 * Counts responses by method and class of status, and measures waiting times. It contains numbers
 * only: no name, path or caller. It runs for every request, so a count is one addition without
 * allocation.
 */

import type { ProblemType } from "../http/problem.ts";
import { KNOWN_METHODS } from "../request/gate.ts";

/** Methods with a count of their own, GET first; all others count as `other`. */
const NAMES: readonly string[] = [...KNOWN_METHODS, "other"];
const OTHER = NAMES.length - 1;
const INDEX: ReadonlyMap<string, number> = new Map(NAMES.map((name, index) => [name, index]));
/** Classes 0xx to 5xx; the first is unused. */
const CLASSES = 6;

/** Problem types that answer a request above a limit. */
const TYPES_OF_LIMITS: readonly ProblemType[] = [
  "body-too-large",
  "uri-too-long",
  "request-timeout",
  "too-many-requests",
  "unavailable",
  "gateway-timeout",
  "insufficient-storage",
  "quota-exceeded",
  "loop-detected",
  "gone",
];

/** Upper bounds of the histogram's buckets in seconds; one more bucket has no bound. */
export const WAIT_BOUNDS_SECONDS: readonly number[] = [
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

/** Counters of all requests since the start. */
export class RequestCounts {
  readonly #counts = new Float64Array(NAMES.length * CLASSES);
  readonly #buckets = new Float64Array(WAIT_BOUNDS_SECONDS.length + 1);
  readonly #problems = new Map<ProblemType, number>();
  #seconds = 0;

  /** Counts a problem response. */
  countProblem(type: ProblemType): void {
    this.#problems.set(type, (this.#problems.get(type) ?? 0) + 1);
  }

  /** Problem responses by type; types of limits are listed from the start. */
  problems(): ReadonlyMap<ProblemType, number> {
    return new Map([...TYPES_OF_LIMITS.map((type) => [type, 0] as const), ...this.#problems]);
  }

  /** Counts a response. */
  countResponse(method: string, status: number): void {
    const row = method === "GET" ? 0 : INDEX.get(method) ?? OTHER;
    const at = row * CLASSES + Math.floor(status / 100);
    // A typed array ignores an index outside it, so an invalid status has no effect.
    this.#counts[at] = (this.#counts[at] ?? 0) + 1;
  }

  /** Records the waiting time of a response in milliseconds. */
  observeWait(ms: number): void {
    const seconds = ms / 1000;
    let at = 0;
    while (at < WAIT_BOUNDS_SECONDS.length && seconds > (WAIT_BOUNDS_SECONDS[at] ?? 0)) at++;
    this.#buckets[at] = (this.#buckets[at] ?? 0) + 1;
    this.#seconds += seconds;
  }

  /** The counts that are not zero. */
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

  /** The waiting times: observations per bucket, not cumulative, and the sum in seconds. */
  waits(): { readonly buckets: readonly number[]; readonly seconds: number } {
    return { buckets: [...this.#buckets], seconds: this.#seconds };
  }
}
