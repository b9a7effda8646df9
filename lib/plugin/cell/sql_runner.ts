/**
 * Where a plugin's questions to databases are answered: a few processes of our own code with the
 * plugin's read permissions and nothing else, one question at a time each. What takes too long or too
 * much is ended by SIGKILL, which costs nobody else anything; those that did well wait for more.
 */

import {
  type CellLimits,
  MAX_QUERY_MS,
  MAX_QUERY_PROCESSES,
  QUERY_IDLE_MS,
  QUERY_RESIDENT_MIB,
} from "../../limits.ts";
import { type CellInit, createBareInit } from "../wire/cell_init.ts";
import type { SqlRequest } from "./sql_request.ts";
import { CellEndedError, CellRun } from "./cell_run.ts";
import { Semaphore } from "./semaphore.ts";
import type { StartCell } from "../transport/transport.ts";

/** See {@link SqlRunner}. */
export interface SqlRunnerOptions {
  readonly startCell: StartCell;
  readonly limits: CellLimits;
  /** Unix milliseconds. */
  readonly now: () => number;
  log(level: "log" | "warn" | "error", line: string): void;
}

/** See the module. */
export class SqlRunner {
  readonly #options: SqlRunnerOptions;
  readonly #limits: CellLimits;
  readonly #slots: Semaphore;
  readonly #runs = new Set<CellRun<undefined>>();
  /** Runs without a question, each with the timer that ends it. */
  readonly #idle = new Map<CellRun<undefined>, ReturnType<typeof setTimeout>>();
  #init: CellInit;
  #closed = false;
  /** Queries that were ended and go on: a Worker of the server cannot be broken off. */
  #lost = 0;

  constructor(init: CellInit, options: SqlRunnerOptions) {
    this.#options = options;
    this.#init = init;
    this.#slots = new Semaphore(MAX_QUERY_PROCESSES, options.limits.maxWaiting);
    this.#limits = {
      ...options.limits,
      residentMiB: Math.min(options.limits.residentMiB, QUERY_RESIDENT_MIB),
      // A query is bounded by its own time, and SQLite at work answers no heartbeat.
      responseTimeoutMs: 3 * MAX_QUERY_MS,
      heartbeatMs: 3 * MAX_QUERY_MS,
      heartbeatTimeoutMs: 3 * MAX_QUERY_MS,
    };
  }

  /** The plugin may reach other folders now: no process that knows the old ones takes a question. */
  reconfigure(init: CellInit): void {
    this.#init = init;
    for (const run of [...this.#idle.keys()]) this.#drop(run);
  }

  /**
   * Answers a question; every refusal is an answer, too.
   *
   * @throws {Error} nobody waits for it any more, or no process can be started
   */
  async run(asked: SqlRequest): Promise<Response> {
    if (this.#closed) throw new Error("Cannot query: the plugin has been stopped");
    if (this.#lost >= MAX_QUERY_PROCESSES) {
      return refusal(
        "Busy",
        "Cannot query: earlier queries took too long and cannot be ended inside the server, which has " +
          "to be started with --allow-run for that",
      );
    }
    if (!this.#slots.tryAcquire()) {
      try {
        await this.#slots.wait(asked.signal);
      } catch (error) {
        if (!(error instanceof RangeError)) throw error;
        return refusal("Busy", "Cannot query: too many queries wait already; ask again");
      }
    }
    let run: CellRun<undefined> | undefined;
    try {
      run = this.#take() ?? await this.#start();
      return await this.#put(run, asked);
    } catch (error) {
      // A run that took the question frees its place when it is through with it, or dead.
      if (run === undefined) this.#slots.release();
      throw error;
    }
  }

  /** Ends every process. Resolves when none is left. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#slots.close(new Error("Cannot query: the plugin has been stopped"));
    for (const timer of this.#idle.values()) clearTimeout(timer);
    this.#idle.clear();
    await Promise.all([...this.#runs].map((run) => run.kill()));
  }

  async #put(run: CellRun<undefined>, { body, timeoutMs, signal }: SqlRequest): Promise<Response> {
    const { promise: late, reject } = Promise.withResolvers<never>();
    let timer: ReturnType<typeof setTimeout> | undefined;
    const init = this.#init;
    const end = (): void => {
      if (run.kind === "worker") this.#lost++;
      void run.kill();
    };
    const ms = Math.min(Math.max(1, timeoutMs), MAX_QUERY_MS) || MAX_QUERY_MS;
    const arm = (): void => {
      timer ??= setTimeout(() => {
        reject(new Late());
        end();
      }, ms);
    };
    const gone = (): void => {
      reject(signal.reason);
      end();
    };
    const visit = { authority: undefined, tier: "T1", by: "query", depth: 0 };
    const question = {
      method: "POST",
      url: "http://query/",
      headers: [],
      body: counted(body, arm),
    };
    const call = run.send(question, visit, () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", gone);
      this.#slots.release();
      if (init === this.#init && !this.#closed) this.#keep(run);
      else void run.kill();
    });
    signal.addEventListener("abort", gone, { once: true });
    if (signal.aborted) gone();
    try {
      const response = await Promise.race([call.response, late]);
      clearTimeout(timer);
      return response;
    } catch (error) {
      call.response.catch(heard);
      if (error instanceof Late) {
        this.#options.log("warn", `a query was ended: it took more than ${ms} ms`);
        return refusal("TimeoutError", `Cannot finish the query: it took more than ${ms} ms`);
      }
      if (error instanceof CellEndedError && error.kind !== "stopped") {
        // It runs no code but ours and SQLite's, so want of memory is what ends it.
        this.#options.log("warn", `a query was ended: ${error.message}`);
        return refusal("QuotaExceededError", "Cannot finish the query: it took too much memory");
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
      answerSubrequest: () => Promise.reject(new Error("A query has no machine")),
      log: (level, line) => this.#options.log(level, line),
      onEnd: (ended) => {
        this.#runs.delete(ended);
        this.#forget(ended);
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

  #take(): CellRun<undefined> | undefined {
    const [run] = this.#idle.keys();
    if (run !== undefined) this.#forget(run);
    return run;
  }

  #keep(run: CellRun<undefined>): void {
    if (!this.#runs.has(run)) return;
    const timer = setTimeout(() => this.#drop(run), QUERY_IDLE_MS);
    Deno.unrefTimer(Number(timer));
    this.#idle.set(run, timer);
  }

  #forget(run: CellRun<undefined>): void {
    clearTimeout(this.#idle.get(run));
    this.#idle.delete(run);
  }

  #drop(run: CellRun<undefined>): void {
    this.#forget(run);
    void run.kill();
  }
}

class Late extends Error {}

/** Passes a body on and tells when all of it was taken. */
function counted(
  body: SqlRequest["body"],
  through: () => void,
): Uint8Array | ReadableStream<Uint8Array> | null {
  if (body instanceof ReadableStream) {
    return body.pipeThrough(new TransformStream({ flush: through }));
  }
  through();
  return body;
}

function refusal(name: string, message: string): Response {
  return Response.json({ refusal: { name, message } });
}

function heard(): void {
  // The run was killed for a reason that is told already.
}
