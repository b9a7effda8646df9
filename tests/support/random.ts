/**
 * Creates a pseudo-random generator (mulberry32). Equal seeds give equal sequences, so that a test that
 * prints its seed can be repeated.
 *
 * @returns a function that returns numbers from 0 to 1, without 1
 */
export function createRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}
