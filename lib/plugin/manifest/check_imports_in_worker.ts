/**
 * Parses long sources in a Worker of its own: a megabyte takes half a second, for which the server
 * would answer nobody. Short ones are done before a Worker would have started. Where there can be no
 * Worker they are all parsed here, since a plugin that cannot be looked at could never be approved.
 */

import { EXAMINED_HERE } from "../../limits.ts";
import { examineSource, type SourceFault } from "./check_imports.ts";
import type { ExamineSource } from "./validate_source.ts";

/** No Worker came of it. */
class NoWorker extends Error {}

/**
 * Makes an {@link ExamineSource}.
 *
 * @param workerUrl module of the Worker
 * @param patienceMs how long it may take, in milliseconds
 */
export function examineApart(workerUrl: string, patienceMs: number): ExamineSource {
  return async function examine(text) {
    if (text.length <= EXAMINED_HERE) return examineSource(text);
    try {
      return await ask(workerUrl, text, patienceMs);
    } catch (error) {
      if (!(error instanceof NoWorker)) throw error;
      return examineSource(text);
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
