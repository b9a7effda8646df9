/**
 * A plugin's cell as the rest of the machine sees it: requests in, Responses out, whatever happens
 * inside. It starts the cell when it is needed, stops it when it is idle, starts another when one has
 * ended, and puts every failure into words for the caller. It knows neither worlds nor routes.
 */

import { Problem } from "../../http/problem.ts";
import { type CellLimits, MAX_FILE_ATTEMPTS } from "../../limits.ts";
import { Backoff } from "./backoff.ts";
import { onClientDisconnect } from "./client_disconnect.ts";
import type { CellInit } from "../wire/cell_init.ts";
import { RpcError } from "../wire/rpc_calls.ts";
import { FileChanged } from "./file_body.ts";
import {
  type CallerContext,
  type CellEndedError,
  CellRun,
  type CellRunHost,
  ResponseTimeoutError,
  type Subrequest,
} from "./cell_run.ts";
import { forwardedBody, forwardedHeaders } from "./forwarded_request.ts";
import { SqlRunner } from "./sql_runner.ts";
import { createStoppedProblem, toCellProblem } from "./cell_errors.ts";
import { Semaphore } from "./semaphore.ts";
import type { StartCell } from "../transport/transport.ts";

/** What happened to a cell, for the event chain and the log. */
export interface CellEvent {
  readonly type:
    | "started"
    | "restarted"
    | "swapped"
    | "idle"
    | "ended"
    | "timeout"
    | "circuit-open";
  /** In words; may hold the plugin's own. */
  readonly detail: string;
  /** Why it ended, when it did. */
  readonly kind?: CellEndedError["kind"];
}

/** What a cell needs from the machine. */
export interface CellOptions<A> {
  readonly init: CellInit;
  readonly startCell: StartCell;
  readonly limits: CellLimits;
  /** Unix milliseconds. */
  readonly now: () => number;
  /** Performs a call back. What it throws is told to the plugin as a failure of the machine. */
  answerSubrequest(call: Subrequest<A>): Promise<Response>;
  log(level: "log" | "warn" | "error", line: string): void;
  onEvent(event: CellEvent): void;
}

/** How a cell is. */
export interface CellHealth {
  readonly state: "running" | "starting" | "stopped" | "waiting" | "circuit-open" | "closed";
  readonly transport?: "process" | "worker";
  readonly pid?: number;
  /** Resident memory in KiB, as far as it is known. */
  readonly residentKiB?: number;
  /** Unix milliseconds at which the present run began. */
  readonly startedAt?: number;
  /** Requests it was sent since the beginning. */
  readonly served: number;
  /** Requests open and requests waiting for a place. */
  readonly requests: number;
  readonly waiting: number;
  /** Runs that ended by themselves or were ended for cause, since the beginning. */
  readonly crashes: number;
  /** The last such end, in words. */
  readonly reason?: string;
}

/** See the module. `A` is the authority of a request, opaque here. */
export class Cell<A> {
  readonly #options: CellOptions<A>;
  readonly #limits: CellLimits;
  readonly #slots: Semaphore;
  readonly #backoff: Backoff;
  readonly #queries: SqlRunner;
  readonly #runs = new Set<CellRun<A>>();
  /** Runs that are not ready and would replace one that is; their failure is their caller's alone. */
  readonly #trials = new Set<CellRun<A>>();
  /** Runs that only finish what they have. */
  readonly #draining = new Set<CellRun<A>>();
  #init: CellInit;
  #current: CellRun<A> | undefined;
  #starting: Promise<CellRun<A>> | undefined;
  #idle: ReturnType<typeof setTimeout> | undefined;
  #quietSince = 0;
  #closed = false;
  #crashes = 0;
  #served = 0;
  #reason: string | undefined;

  constructor(options: CellOptions<A>) {
    this.#options = options;
    this.#limits = options.limits;
    this.#init = options.init;
    this.#slots = new Semaphore(options.limits.maxRequests, options.limits.maxWaiting);
    this.#backoff = new Backoff(options.limits, options.now);
    this.#queries = new SqlRunner(options.init, options);
  }

  /** What the running plugin was started with. */
  get init(): CellInit {
    return this.#init;
  }

  /**
   * Starts the cell now instead of with its first request. Idempotent.
   *
   * @throws {CellEndedError} it could not be started; the message holds the plugin's words
   */
  async start(): Promise<void> {
    await this.#running();
  }

  /**
   * Sends a request to the plugin.
   *
   * @param request as the server received it; its body is used up
   * @param visit who asks, and what the host will know them by when the plugin calls back
   * @throws {Problem} 501 for an upgrade, 508 too deep, 503 too many or not running, 502 the plugin
   * failed, 504 it did not answer
   */
  async request(
    request: Request,
    visit: CallerContext<A>,
    tries = MAX_FILE_ATTEMPTS,
  ): Promise<Response> {
    this.#refuse(request, visit);
    const headers = forwardedHeaders(request.headers);
    const body = await forwardedBody(request);
    if (!this.#slots.tryAcquire()) await this.#waitForSlot(request, visit);
    let free = false;
    const release = (): void => {
      if (free) return;
      free = true;
      this.#slots.release();
    };
    let run: CellRun<A>;
    try {
      const current = this.#current;
      run = current && !this.#closed ? current : await this.#running();
    } catch (error) {
      release();
      throw this.#inWords(error);
    }
    const { method, url } = request;
    this.#served++;
    const call = run.send({ method, url, headers, body }, visit, release);
    const gone = (): void => call.cancel(new DOMException("The caller went away", "AbortError"));
    const watched = onClientDisconnect(request, visit, gone);
    let response: Response;
    try {
      response = await call.response;
    } catch (error) {
      // Between the plugin's answer and the opening of its file another one took its name.
      if (error instanceof FileChanged && tries > 1 && (method === "GET" || method === "HEAD")) {
        return await this.request(request, visit, tries - 1);
      }
      throw this.#inWords(error);
    } finally {
      watched.markResponded(call.isOver);
    }
    return response;
  }

  /**
   * Replaces the plugin or what it was started with. The new run answers from the moment it is ready;
   * the old one finishes what it has, for `drainTimeoutMs` at most.
   *
   * @throws {CellEndedError} the new one cannot be started; the old one goes on
   */
  async swap(init: CellInit): Promise<void> {
    if (this.#closed) throw createStoppedProblem();
    const run = this.#newRun(init);
    this.#trials.add(run);
    try {
      await run.ready;
    } finally {
      this.#trials.delete(run);
    }
    const old = this.#current;
    this.#init = init;
    this.#queries.reconfigure(init);
    this.#current = run;
    this.#backoff.reset();
    this.#event("swapped", `${old ? "it took over from a running cell" : "it starts afresh"}`);
    this.#armIdle();
    if (old) void this.#drain(old);
  }

  /** How the cell is now. */
  health(): CellHealth {
    const run = this.#current;
    const wait = this.#backoff.waitMs();
    const state = this.#closed
      ? "closed"
      : run
      ? "running"
      : this.#starting
      ? "starting"
      : wait === 0
      ? "stopped"
      : this.#backoff.isCircuitOpen
      ? "circuit-open"
      : "waiting";
    return {
      state,
      ...(run && {
        transport: run.kind,
        startedAt: run.startedAt,
        residentKiB: run.residentKiB,
        ...(run.pid !== undefined && { pid: run.pid }),
      }),
      served: this.#served,
      requests: this.#slots.inUse,
      waiting: this.#slots.waiting,
      crashes: this.#crashes,
      ...(this.#reason !== undefined && { reason: this.#reason }),
    };
  }

  /**
   * Ends the cell for good; later requests get 503. Resolves when no process of it is left.
   *
   * @param drain let open requests finish, for `drainTimeoutMs` at most
   */
  async stop({ drain }: { readonly drain: boolean }): Promise<void> {
    this.#closed = true;
    this.#cancelIdle();
    this.#slots.close(createStoppedProblem());
    this.#current = undefined;
    await Promise.all([...this.#runs].map((run) => drain ? this.#drain(run) : run.kill()));
    await this.#queries.close();
  }

  #refuse(request: Request, visit: CallerContext<A>): void {
    if (this.#closed) throw createStoppedProblem();
    if (request.headers.get("upgrade")?.toLowerCase() === "websocket") {
      throw new Problem(
        "not-implemented",
        "Cannot upgrade to a WebSocket: plugins speak requests and responses; stream with text/event-stream",
      );
    }
    if (visit.depth > this.#limits.maxDepth) {
      throw new Problem(
        "loop-detected",
        `Cannot ask a plugin: ${this.#limits.maxDepth} plugins already wait for each other`,
      );
    }
  }

  async #waitForSlot(request: Request, visit: CallerContext<A>): Promise<void> {
    const abort = new AbortController();
    const reason = new DOMException("The caller went away", "AbortError");
    const watched = onClientDisconnect(request, visit, () => abort.abort(reason));
    try {
      await this.#slots.wait(abort.signal);
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      throw new Problem(
        "unavailable",
        `Cannot ask the plugin ${this.#init.name}: ${this.#limits.maxRequests} requests are in it and ` +
          `${this.#limits.maxWaiting} wait; ask again later`,
        { "retry-after": "1" },
      );
    } finally {
      watched.markResponded(true);
    }
  }

  async #running(): Promise<CellRun<A>> {
    if (this.#closed) throw createStoppedProblem();
    if (this.#current) return this.#current;
    const wait = this.#backoff.waitMs();
    if (wait > 0) {
      throw new Problem(
        "unavailable",
        `Cannot ask the plugin ${this.#init.name}: it failed ${this.#backoff.failures} times in a ` +
          `row and is started again in ${Math.ceil(wait / 1000)} s at the earliest`,
        { "retry-after": String(Math.ceil(wait / 1000)) },
      );
    }
    this.#starting ??= this.#begin().finally(() => this.#starting = undefined);
    return await this.#starting;
  }

  async #begin(): Promise<CellRun<A>> {
    const again = this.#backoff.failures > 0;
    const run = this.#newRun(this.#init);
    await run.ready;
    // A swap may have been quicker; what it put there is newer.
    if (this.#current) {
      void run.kill();
      return this.#current;
    }
    this.#current = run;
    this.#event(again ? "restarted" : "started", `as a ${run.kind}`);
    this.#armIdle();
    return run;
  }

  #newRun(init: CellInit): CellRun<A> {
    const host: CellRunHost<A> = {
      startCell: this.#options.startCell,
      limits: this.#limits,
      now: this.#options.now,
      answerSubrequest: (call) => this.#options.answerSubrequest(call),
      runSqlRequest: (asked) => this.#queries.run(asked),
      log: (level, line) => this.#options.log(level, line),
      onEnd: (run, end) => this.#ended(run, end),
      onIdle: (run) => this.#quiet(run),
    };
    const run = new CellRun<A>(host, init);
    this.#runs.add(run);
    return run;
  }

  #ended(run: CellRun<A>, end: CellEndedError): void {
    this.#runs.delete(run);
    if (this.#current === run) this.#current = undefined;
    const draining = this.#draining.delete(run);
    if (end.kind === "stopped" || this.#trials.has(run)) return;
    this.#crashes++;
    this.#reason = end.message;
    this.#event("ended", end.message, end.kind);
    if (!draining && this.#backoff.recordFailure(run.startedAt)) {
      this.#event("circuit-open", `${this.#backoff.failures} failures in a row`);
    }
  }

  #quiet(run: CellRun<A>): void {
    if (run === this.#current) this.#armIdle();
  }

  async #drain(run: CellRun<A>): Promise<void> {
    this.#draining.add(run);
    const until = this.#options.now() + this.#limits.drainTimeoutMs;
    while (!run.isIdle && this.#runs.has(run) && this.#options.now() < until) {
      await new Promise((resolve) => setTimeout(resolve, DRAIN_LOOK_MS));
    }
    await run.kill();
  }

  /** One timer looks again and again: to set one at each request's end would cost more than the rest. */
  #armIdle(): void {
    this.#quietSince = this.#options.now();
    if (this.#idle === undefined) this.#waitIdle(this.#limits.idleMs);
  }

  #waitIdle(ms: number): void {
    if (this.#limits.idleMs === 0 || this.#closed) return;
    this.#idle = setTimeout(() => {
      this.#idle = undefined;
      const run = this.#current;
      // Whatever is under way arms it again when it is over.
      if (!run?.isIdle || this.#slots.inUse > 0) return;
      const left = this.#quietSince + this.#limits.idleMs - this.#options.now();
      if (left > 0) return this.#waitIdle(left);
      this.#current = undefined;
      this.#event("idle", `no request for ${this.#limits.idleMs} ms`);
      void run.kill();
    }, ms);
    Deno.unrefTimer(Number(this.#idle));
  }

  #cancelIdle(): void {
    clearTimeout(this.#idle);
    this.#idle = undefined;
  }

  #event(type: CellEvent["type"], detail: string, kind?: CellEndedError["kind"]): void {
    this.#options.onEvent({ type, detail, ...(kind && { kind }) });
  }

  /** Notes what the caller is not told, and gives what they are. */
  #inWords(error: unknown): unknown {
    if (error instanceof RpcError) this.#options.log("error", error.message);
    if (error instanceof ResponseTimeoutError) this.#event("timeout", error.message);
    return toCellProblem(error, this.#init.name);
  }
}

const DRAIN_LOOK_MS = 20;
