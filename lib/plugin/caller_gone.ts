/**
 * Notices that a caller went away. The runtime tells it in two ways, each of which is half the truth:
 * `completed` rejects when a response could not be delivered, and stays silent before there is one;
 * `request.signal` aborts before, and also after a response that was delivered (deno#27005).
 */

/** What is known of a caller beside their request. */
export interface CallerWatch {
  /** `completed` of the server's handler info; absent for a request that came by no connection. */
  readonly completed?: Promise<void>;
  /** The request as the server made it, where the one that is passed on is another. */
  readonly origin?: Request;
}

/** Answers that come sooner than this cost no look at the signal, which the runtime makes when asked. */
const PATIENCE_MS = 50;

/**
 * Calls `gone` once when the caller goes away.
 *
 * @returns to be called when the response's head is there: from then on `completed` tells it all
 */
export function watchCaller(
  request: Request,
  { completed, origin = request }: CallerWatch,
  gone: () => void,
): () => void {
  let left = false;
  const leave = (): void => {
    if (left) return;
    left = true;
    gone();
  };
  if (completed === undefined) {
    listen(origin.signal, leave);
    return () => undefined;
  }
  completed.catch(leave);
  let signal: AbortSignal | undefined;
  const timer = setTimeout(() => {
    signal = origin.signal;
    listen(signal, leave);
  }, PATIENCE_MS);
  return () => {
    clearTimeout(timer);
    signal?.removeEventListener("abort", leave);
  };
}

function listen(signal: AbortSignal, leave: () => void): void {
  if (signal.aborted) leave();
  else signal.addEventListener("abort", leave, { once: true });
}
