/**
 * Compares times of one run instead of limiting them: a slow or busy computer needs longer for both.
 * Not a test itself.
 */

import { assert } from "./assert.ts";

/** How much longer the long input is than the short one. */
const FACTOR = 32;
/** Ratio of the times that ends the comparison: it is 1 for linear time, and `FACTOR` for quadratic time. */
const LINEAR = 2;
/** Ratio that fails, in the middle between linear and quadratic time. */
const TOO_MUCH = 8;
/** Comparisons; the shortest time of each length counts, because other processes only add to it. */
const ROUNDS = 10;
/** Shorter times are not measured, in milliseconds. */
const LEAST_MS = 0.3;

/**
 * Checks that a function takes linear time or less: one run with a long input takes as long as many runs with a
 * short one. On a busy computer a single short run is measured too short, because other processes
 * interrupt only what takes longer.
 *
 * @param run runs the function with an input of about this length
 * @param length the length of the longer input; the other one has a 32nd of it
 */
export function assertLinear(run: (length: number) => unknown, length: number, what = ""): void {
  let [short, long] = [Infinity, Infinity];
  for (let round = 0; round < ROUNDS; round++) {
    short = Math.min(short, timeOf(() => repeat(() => run(Math.ceil(length / FACTOR)))));
    long = Math.min(long, timeOf(() => run(length)));
    if (long / Math.max(short, LEAST_MS) < LINEAR) return;
  }
  assert(
    long / Math.max(short, LEAST_MS) < TOO_MUCH,
    `${what}: ${long} ms for ${length}, ${short} ms for ${FACTOR} times a ${FACTOR}nd of it`,
  );
}

function repeat(run: () => unknown): void {
  for (let time = 0; time < FACTOR; time++) run();
}

/** The time of one call in milliseconds. */
export function timeOf(run: () => unknown): number {
  const start = performance.now();
  run();
  return performance.now() - start;
}
