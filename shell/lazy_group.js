/**
 * Loads a module of `shell/lazy/` when one of its functions is first called. If it cannot be loaded, the
 * user sees one note with "Retry", and the next call tries again.
 */

import { RequestError } from "./api.js";
import { note, noteError } from "./chrome.js";
import { lazyUrl } from "./lazy_url.js";

/**
 * @param {string} name of the module
 * @param {Record<string, (...args: any[]) => any>} [functions] of the app, which the module connects
 */
export function lazyGroup(name, functions) {
  /** @type {Promise<any> | undefined} */
  let loading;
  let failures = 0;

  async function start() {
    try {
      // A browser can keep a failure with the address, and a fragment makes another address.
      const module = await import(lazyUrl(name) + (failures > 0 ? `#${failures}` : ""));
      if (functions !== undefined) module.connect(functions);
      return module;
    } catch (error) {
      failures += 1;
      loading = undefined;
      // An error of the module itself, which no request repairs.
      if (error instanceof SyntaxError || error instanceof ReferenceError) throw error;
      throw new RequestError(
        0,
        "The server does not answer",
        "A part of this page cannot be loaded",
      );
    }
  }

  /** The module. */
  function load() {
    return loading ??= start();
  }

  return {
    load,

    /** Loads the module before it is needed. */
    preload() {
      load().catch(() => {}); // the function that needs it reports it
    },

    /** A function of the module for a view: the page of its path shows its errors. */
    view: (key) => async (...args) => await (await load())[key](...args),

    /**
     * A function of the module whose errors are notes; it returns undefined then.
     *
     * @param {string} key
     * @param {(...args: any[]) => unknown} [retry] what "Retry" does, if the caller needs the result
     */
    action(key, retry) {
      return async function run(...args) {
        let module;
        try {
          module = await load();
        } catch (error) {
          noteRetry(error, () => (retry ?? run)(...args));
          return undefined;
        }
        try {
          return await module[key](...args);
        } catch (error) {
          noteError(error);
          return undefined;
        }
      };
    },
  };
}

/** Shows an error as a note with "Retry". */
export function noteRetry(error, run) {
  note(error.message, { level: "bad", action: { label: "Retry", run } });
}
