/**
 * Calls a function soon, and not more often than once in some time.
 *
 * @param {number} ms least time between two calls
 * @param {AbortSignal} signal after which it is not called
 * @param {() => unknown} run
 * @param {number} [delay] least time before a call
 * @returns {() => void} asks for a call
 */
export function throttled(ms, signal, run, delay = 50) {
  let timer = 0;
  let next = 0;
  return () => {
    if (timer !== 0) return;
    timer = setTimeout(() => {
      timer = 0;
      next = performance.now() + ms;
      if (!signal.aborted) run();
    }, Math.max(delay, next - performance.now()));
  };
}
