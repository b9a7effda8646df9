/**
 * Tests whose product has a short time limit, or whose job must be running while the test does something
 * else. On a computer that is busy or stands still for a moment, the time can be over too early. Then the
 * test says so and runs again, with more time.
 */

/** A time or a job ended before the test was ready for it. */
export class TooSlow extends Error {
  override readonly name = "TooSlow";
}

/**
 * Fails with {@link TooSlow} if a condition that depends on the speed of the computer does not hold.
 *
 * @throws {TooSlow}
 */
export function assertInTime(holds: boolean, message: string): asserts holds {
  if (!holds) throw new TooSlow(message);
}

/**
 * Runs a test with the first value, such as a time limit in milliseconds, and again with the next one if
 * the computer was too slow for it.
 *
 * @throws {TooSlow} if the last value was not enough either
 */
export async function withMoreTime<T>(
  values: readonly T[],
  test: (value: T) => Promise<void>,
): Promise<void> {
  for (const [at, value] of values.entries()) {
    try {
      return await test(value);
    } catch (error) {
      if (!(error instanceof TooSlow) || at === values.length - 1) throw error;
      console.log(`too slow with ${value}: ${error.message}`);
    }
  }
}
