/**
 * Work that leaves something behind when it is broken off: on Ctrl-C it is told, and takes away what it
 * had begun; a second one does not wait for that.
 */

/** Exit code of a program that Ctrl-C ended, as shells have it. */
const INTERRUPTED = 130;

/**
 * Does something that heeds a signal.
 *
 * @returns what it returns, or 130 when it was broken off
 */
export async function interruptible(
  work: (signal: AbortSignal) => Promise<number>,
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
    console.error("Broken off; nothing is left of it");
    return INTERRUPTED;
  } finally {
    Deno.removeSignalListener("SIGINT", stop);
  }
}
