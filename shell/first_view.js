/** Lets requests wait that the first view of a page does not need. */

/**
 * Resolves when the scripts of the page have drawn its first view. A request that is sent earlier, as
 * one for an event stream, takes time of the main thread before the content is visible.
 *
 * @returns {Promise<void>}
 */
export function firstViewDrawn() {
  const [page] = performance.getEntriesByType("navigation");
  if (document.readyState === "complete" || page?.domContentLoadedEventEnd !== 0) {
    return Promise.resolve();
  }
  return new Promise((resolve) =>
    document.addEventListener("DOMContentLoaded", () => setTimeout(resolve), { once: true })
  );
}
