/**
 * Calls a function soon, not more often than once in some time, and never before its last call has ended:
 * what the server said first could be shown last.
 *
 * @param {number} ms least time between two calls
 * @param {AbortSignal} signal after which it is not called
 * @param {() => unknown} run the next call waits for its promise
 * @param {number} [delay] least time before a call
 * @returns {() => void} asks for a call
 */
export function throttled(ms, signal, run, delay = 50) {
  let timer = 0;
  let next = 0;
  let isRunning = false;
  let isAsked = false;
  function ask() {
    isAsked = true;
    if (timer !== 0 || isRunning) return;
    timer = setTimeout(call, Math.max(delay, next - performance.now()));
  }
  async function call() {
    timer = 0;
    isAsked = false;
    if (signal.aborted) return;
    next = performance.now() + ms;
    isRunning = true;
    try {
      await run();
    } finally {
      isRunning = false;
      if (isAsked) ask();
    }
  }
  return ask;
}
