/**
 * Parses long sources in a Worker of its own: a megabyte takes half a second, for which the server
 * would answer nobody. Short ones are done before a Worker would have started. Where there can be no
 * Worker they are all parsed here, since a plugin that cannot be looked at could never be approved.
 */

import { MAX_INLINE_IMPORT_CHECK_CHARS } from "../../limits.ts";
import { checkImports, type SourceFault } from "./check_imports.ts";
import type { CheckImports } from "./validate_source.ts";

/** No Worker came of it. */
class NoWorker extends Error {}

/**
 * Makes an {@link CheckImports}.
 *
 * @param workerUrl module of the Worker
 * @param patienceMs how long it may take, in milliseconds
 */
export function checkImportsInWorker(workerUrl: string, patienceMs: number): CheckImports {
  return async function examine(text) {
    if (text.length <= MAX_INLINE_IMPORT_CHECK_CHARS) return checkImports(text);
    try {
      return await ask(workerUrl, text, patienceMs);
    } catch (error) {
      if (!(error instanceof NoWorker)) throw error;
      return checkImports(text);
    }
  };
}

function ask(
  workerUrl: string,
  text: string,
  patienceMs: number,
): Promise<SourceFault | undefined> {
  const { promise, resolve, reject } = Promise.withResolvers<SourceFault | undefined>();
  let worker: Worker;
  try {
    worker = new Worker(workerUrl, { type: "module" });
  } catch (error) {
    return Promise.reject(new NoWorker(String(error)));
  }
  const late = setTimeout(() => {
    const message = `Cannot parse the source: it takes longer than ${patienceMs} ms`;
    resolve({ kind: "hopeless", message, line: 0 });
  }, patienceMs);
  // Our own code's verdict. Whatever else may come is none, and a source without one is not fine.
  worker.onmessage = ({ data }: MessageEvent<{ fault?: SourceFault | null } | null>) => {
    const fault = data?.fault;
    if (fault === undefined) reject(new NoWorker("it gave no verdict"));
    else resolve(fault ?? undefined);
  };
  worker.onerror = (event) => {
    event.preventDefault();
    reject(new NoWorker(event.message));
  };
  worker.postMessage(text);
  return promise.finally(() => {
    clearTimeout(late);
    worker.terminate();
  });
}
