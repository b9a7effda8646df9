/**
 * Finds the request to which an uncaught error of a plugin belongs: the asynchronous context in which
 * the error occurred began with the call of the plugin's `fetch` for that request. Code that started
 * when the plugin was loaded belongs to no request.
 */

import type { TimerCallback } from "./lockdown.ts";

/** What this module uses of `node:async_hooks`. */
export interface AsyncContext {
  getStore(): number | undefined;
  run<T>(id: number, action: () => T): T;
}

/** Finds the request of the code that runs now. */
export interface UncaughtErrors {
  /** Runs `action` as code of a request. */
  run<T>(id: number, action: () => T): T;
  /** Id of the request whose code runs now; 0 if there is none. */
  currentRequest(): number;
  /** Wraps the callback of a timer: Deno reports its errors outside of the context (2.9.6). */
  bindTimer(callback: TimerCallback): TimerCallback;
}

/**
 * Creates the functions of one realm.
 *
 * @param context the asynchronous context; the plugin must not reach it
 * @param onError called with an error in the callback of a timer, and the id of its request
 */
export function createUncaughtErrors(
  context: AsyncContext,
  onError: (id: number, error: unknown) => void,
): UncaughtErrors {
  const { apply } = Reflect;
  return {
    run: (id, action) => context.run(id, action),
    currentRequest: () => context.getStore() ?? 0,
    bindTimer(callback) {
      const id = context.getStore();
      // Without a request the runtime reports the error.
      if (id === undefined) return callback;
      return (...values) => {
        try {
          return apply(callback, undefined, values);
        } catch (error) {
          onError(id, error);
        }
      };
    },
  };
}
