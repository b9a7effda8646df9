/**
 * Runs the SQL queries of one plugin in a small pool of query processes. They run code of this
 * program and have the read permissions of the plugin only. Each runs one query at a time. A query
 * that exceeds its time or memory limit is ended by SIGKILL, which affects no other query. Idle
 * processes are reused.
 */

import { type CellLimits, QUERY_IDLE_MS } from "../../cell_limits.ts";
import { type CellInit, createBareInit } from "../wire/cell_init.ts";
import type { SqlRequest } from "./sql_request.ts";
import { CellEndedError, CellRun } from "./cell_run.ts";
import { Semaphore } from "./semaphore.ts";
import type { StartCell } from "../transport/transport.ts";

/** Dependencies of a {@link SqlRunner}. */
export interface SqlRunnerOptions {
  readonly startCell: StartCell;
  readonly limits: CellLimits;
  /** Returns the current time in Unix milliseconds. */
  readonly now: () => number;
  log(level: "log" | "warn" | "error", line: string): void;
  /** Called if a query was refused, or ended, because of a limit. */
  onLimit?(limit: "query"): void;
}

/** The query processes of one plugin. */
export class SqlRunner {
  readonly #options: SqlRunnerOptions;
  readonly #limits: CellLimits;
  readonly #semaphore: Semaphore;
  readonly #runs = new Set<CellRun<undefined>>();
  /** Idle runs, each with the timer that ends it. */
  readonly #idle = new Map<CellRun<undefined>, ReturnType<typeof setTimeout>>();
  #init: CellInit;
  #closed = false;
  /**
   * Number of queries that exceeded their time in a Worker of the server, which cannot be ended.
   */
  #unstoppedQueries = 0;

  constructor(init: CellInit, options: SqlRunnerOptions) {
    this.#options = options;
    this.#init = init;
    const { maxProcesses, maxMs, residentMiB } = options.limits.queries;
    this.#semaphore = new Semaphore(maxProcesses, options.limits.maxWaiting);
    this.#limits = {
      ...options.limits,
      residentMiB: Math.min(options.limits.residentMiB, residentMiB),
      // A query has its own time limit, and a busy SQLite cannot answer heartbeats.
      responseTimeoutMs: 3 * maxMs,
      heartbeatMs: 3 * maxMs,
      heartbeatTimeoutMs: 3 * maxMs,
    };
  }

  /** Number of queries that run, and that wait. */
  get counts(): { readonly running: number; readonly waiting: number } {
    return { running: this.#semaphore.inUse, waiting: this.#semaphore.waiting };
  }

  /** Sets the init of later queries. Processes with the old folders are not used any more. */
  reconfigure(init: CellInit): void {
    this.#init = init;
    for (const run of [...this.#idle.keys()]) this.#end(run);
  }

  /**
   * Runs a query. An error of the query is part of the response.
   *
   * @throws {Error} the request was cancelled, the plugin was stopped, or no process can be started
   */
  async run(request: SqlRequest): Promise<Response> {
    if (this.#closed) throw new Error("Cannot query: the plugin has been stopped");
    if (this.#unstoppedQueries >= this.#limits.queries.maxProcesses) {
      this.#options.onLimit?.("query");
      return errorResponse(
        "Busy",
        "Cannot query: earlier queries exceeded their time and still run, because Workers of the " +
          "server cannot be ended; start the server with --allow-run",
      );
    }
    if (!this.#semaphore.tryAcquire()) {
      try {
        await this.#semaphore.wait(request.signal);
      } catch (error) {
        if (!(error instanceof RangeError)) throw error;
        this.#options.onLimit?.("query");
        return errorResponse(
          "Busy",
          "Cannot query: too many queries are waiting; send the query again",
        );
      }
    }
    let run: CellRun<undefined> | undefined;
    try {
      run = this.#takeIdle() ?? await this.#start();
      return await this.#send(run, request);
    } catch (error) {
      // If there is a run, the end of its call releases the permit.
      if (run === undefined) this.#semaphore.release();
      throw error;
    }
  }

  /** Ends every process. Resolves when none is left. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#semaphore.close(new Error("Cannot query: the plugin has been stopped"));
    for (const timer of this.#idle.values()) clearTimeout(timer);
    this.#idle.clear();
    await Promise.all([...this.#runs].map((run) => run.kill()));
  }

  async #send(run: CellRun<undefined>, { body, timeoutMs, signal }: SqlRequest): Promise<Response> {
    const { promise: failure, reject } = Promise.withResolvers<never>();
    let timer: ReturnType<typeof setTimeout> | undefined;
    const init = this.#init;
    const end = (): void => {
      if (run.kind === "worker") this.#unstoppedQueries++;
      void run.kill();
    };
    const { maxMs } = this.#limits.queries;
    const ms = Math.min(Math.max(1, timeoutMs), maxMs) || maxMs;
    const startTimer = (): void => {
      timer ??= setTimeout(() => {
        reject(new QueryTimeout());
        end();
      }, ms);
    };
    const onAbort = (): void => {
      reject(signal.reason);
      end();
    };
    const caller = { authority: undefined, tier: "T1", by: "query", depth: 0 };
    const outbound = {
      method: "POST",
      url: "http://query/",
      headers: [],
      body: onceRead(body, startTimer),
    };
    const call = run.send(outbound, caller, () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", onAbort);
      this.#semaphore.release();
      if (init === this.#init && !this.#closed) this.#addIdle(run);
      else void run.kill();
    });
    signal.addEventListener("abort", onAbort, { once: true });
    if (signal.aborted) onAbort();
    try {
      const response = await Promise.race([call.response, failure]);
      clearTimeout(timer);
      return response;
    } catch (error) {
      // The race above has the error already; the late response has no reader.
      call.response.catch(() => {});
      if (error instanceof QueryTimeout) {
        this.#options.onLimit?.("query");
        this.#options.log("warn", `a query was ended: it took more than ${ms} ms`);
        return errorResponse("TimeoutError", `Cannot finish the query: it took more than ${ms} ms`);
      }
      if (error instanceof CellEndedError && error.kind !== "stopped") {
        this.#options.onLimit?.("query");
        // The process runs this program and SQLite only, so it can only have run out of memory.
        this.#options.log("warn", `a query was ended: ${error.message}`);
        return errorResponse(
          "QuotaExceededError",
          "Cannot finish the query: it exceeded its memory limit",
        );
      }
      throw error;
    }
  }

  async #start(): Promise<CellRun<undefined>> {
    const { folders, permissions } = this.#init;
    const run = new CellRun<undefined>({
      startCell: this.#options.startCell,
      limits: this.#limits,
      now: this.#options.now,
      answerSubrequest: () =>
        Promise.reject(new Error("Cannot run the subrequest: a query process sends none")),
      log: (level, line) => this.#options.log(level, line),
      onEnd: (ended) => {
        this.#runs.delete(ended);
        this.#removeIdle(ended);
      },
      onIdle: () => {},
    }, {
      ...createBareInit("query", this.#init.name, ""),
      folders,
      permissions: { net: [], read: permissions.read, write: [] },
    });
    this.#runs.add(run);
    await run.ready;
    return run;
  }

  #takeIdle(): CellRun<undefined> | undefined {
    const [run] = this.#idle.keys();
    if (run !== undefined) this.#removeIdle(run);
    return run;
  }

  #addIdle(run: CellRun<undefined>): void {
    if (!this.#runs.has(run)) return;
    const timer = setTimeout(() => this.#end(run), QUERY_IDLE_MS);
    Deno.unrefTimer(Number(timer));
    this.#idle.set(run, timer);
  }

  #removeIdle(run: CellRun<undefined>): void {
    clearTimeout(this.#idle.get(run));
    this.#idle.delete(run);
  }

  #end(run: CellRun<undefined>): void {
    this.#removeIdle(run);
    void run.kill();
  }
}

class QueryTimeout extends Error {}

/** Returns the body and calls `onRead` when all of it has been read. */
function onceRead(
  body: SqlRequest["body"],
  onRead: () => void,
): Uint8Array | ReadableStream<Uint8Array> | null {
  if (body instanceof ReadableStream) {
    return body.pipeThrough(new TransformStream({ flush: onRead }));
  }
  onRead();
  return body;
}

function errorResponse(name: string, message: string): Response {
  return Response.json({ error: { name, message } });
}
