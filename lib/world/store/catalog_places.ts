/**
 * Puts the worlds of a start in the tree of the catalog, some at a time, while the server starts and
 * answers. It must never keep the thread for longer than a request takes.
 */

import type { Catalog } from "./catalog.ts";

/** Worlds at a time: about 5 ms. */
const PLACED_AT_ONCE = 1_000;
/** Milliseconds before the first further ones, in which the server reads the rest of what it needs. */
const START_MS = 250;

/**
 * Places the first worlds at once, so that a small store is complete, and others in the background.
 *
 * @param catalog worlds were added to it
 * @returns ends the work
 */
export function placeGradually(catalog: Pick<Catalog, "placeSome">): () => void {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const step = (pauseMs: number) => {
    timer = catalog.placeSome(PLACED_AT_ONCE) ? setTimeout(step, pauseMs, 0) : undefined;
  };
  step(START_MS);
  return () => clearTimeout(timer);
}
