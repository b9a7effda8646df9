/**
 * Runs a command that Ctrl-C can interrupt: the first signal aborts the work, which then removes
 * its partial output. A second signal exits at once.
 */

/** Exit code of a program that was ended by Ctrl-C, by shell convention. */
const INTERRUPTED = 130;

/**
 * Runs work that observes an abort signal.
 *
 * @param work throws after the signal was aborted and its partial output was removed
 * @param said what an interruption leaves
 * @returns the exit code of the work, or 130 if it was interrupted
 */
export async function runInterruptible(
  work: (signal: AbortSignal) => Promise<number>,
  said = "partial output was removed",
): Promise<number> {
  const control = new AbortController();
  const stop = () => {
    if (control.signal.aborted) Deno.exit(INTERRUPTED);
    control.abort();
  };
  Deno.addSignalListener("SIGINT", stop);
  try {
    return await work(control.signal);
  } catch (error) {
    if (!control.signal.aborted) throw error;
    console.error(`Interrupted; ${said}`);
    return INTERRUPTED;
  } finally {
    Deno.removeSignalListener("SIGINT", stop);
  }
}

/**
 * Runs work that has no end of its own: the first Ctrl-C is its normal end. A second one exits at once.
 *
 * @param work ends soon after the signal
 */
export async function untilInterrupted<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const control = new AbortController();
  const stop = () => {
    if (control.signal.aborted) Deno.exit(INTERRUPTED);
    control.abort();
  };
  Deno.addSignalListener("SIGINT", stop);
  try {
    return await work(control.signal);
  } finally {
    Deno.removeSignalListener("SIGINT", stop);
  }
}
