/**
 * Checks long sources in a Worker, because parsing 1 MiB takes about 0.5 s, in which the server
 * would answer no request. A short source is parsed on the server's thread: that is faster than
 * starting a Worker. If no Worker can be started, all sources are parsed on the server's thread.
 */

import { MAX_INLINE_IMPORT_CHECK_CHARS } from "../../limits.ts";
import { checkImports, type SourceFault } from "./check_imports.ts";
import type { CheckImports } from "./validate_source.ts";

/** The Worker could not be started, or failed without a result. */
class NoWorker extends Error {}

/**
 * Creates a {@link CheckImports} that parses long sources in a Worker.
 *
 * @param workerUrl URL of the Worker's main module, `check_imports_worker.ts`
 * @param timeoutMs longest time for one source, in milliseconds; then it is refused
 */
export function checkImportsInWorker(workerUrl: string, timeoutMs: number): CheckImports {
  return async function checkInWorker(text) {
    if (text.length <= MAX_INLINE_IMPORT_CHECK_CHARS) return checkImports(text);
    try {
      return await runInWorker(workerUrl, text, timeoutMs);
    } catch (error) {
      if (!(error instanceof NoWorker)) throw error;
      return checkImports(text);
    }
  };
}

function runInWorker(
  workerUrl: string,
  text: string,
  timeoutMs: number,
): Promise<SourceFault | undefined> {
  const { promise, resolve, reject } = Promise.withResolvers<SourceFault | undefined>();
  let worker: Worker;
  try {
    worker = new Worker(workerUrl, { type: "module" });
  } catch (error) {
    return Promise.reject(new NoWorker(String(error)));
  }
  const timer = setTimeout(() => {
    const message = `Cannot parse the source: it took more than ${timeoutMs} ms`;
    resolve({ kind: "too-complex", message });
  }, timeoutMs);
  // A message without a result is a failure of the Worker; the source must not pass because of it.
  worker.onmessage = ({ data }: MessageEvent<{ fault?: SourceFault | null } | null>) => {
    const fault = data?.fault;
    if (fault === undefined) reject(new NoWorker("the Worker sent no result"));
    else resolve(fault ?? undefined);
  };
  worker.onerror = (event) => {
    event.preventDefault();
    reject(new NoWorker(event.message));
  };
  worker.postMessage(text);
  return promise.finally(() => {
    clearTimeout(timer);
    worker.terminate();
  });
}
