/**
 * Waiting with an end: for whoever takes things down and must not be held up by somebody else.
 */

/**
 * Waits for a promise, but not for ever. What becomes of it later is no longer looked at.
 *
 * @param ms longest wait in milliseconds
 */
export async function within(ms: number, promise: Promise<unknown>): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<void>((resolve) => timer = setTimeout(resolve, ms));
  try {
    await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
