/**
 * Hot reads of the soak, measured in a Worker: its own thread, so that the other load does not delay
 * the measurement.
 */

/** What the Worker needs. */
export interface ReadsOptions {
  readonly port: number;
  /** The certificate of the server in PEM format. */
  readonly ca: string;
  readonly connections: number;
  /** Requests per second, of all connections together. */
  readonly rate: number;
  readonly path: string;
}

/** What the Worker has measured since its last report. */
export interface ReadsReport {
  /** Response times in milliseconds. */
  readonly times: readonly number[];
  /** Responses other than 200, and errors of connections. */
  readonly failures: readonly string[];
}

/** Starts the Worker. */
export function startReads(options: ReadsOptions): Worker {
  const worker = new Worker(new URL("./soak_reads_worker.ts", import.meta.url), { type: "module" });
  worker.postMessage(options);
  return worker;
}

/** Returns what a Worker has measured since the last call. */
export function takeReads(worker: Worker): Promise<ReadsReport> {
  const { promise, resolve } = Promise.withResolvers<ReadsReport>();
  worker.addEventListener("message", ({ data }) => resolve(data), { once: true });
  worker.postMessage("report");
  return promise;
}
