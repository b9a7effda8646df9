/**
 * The cell of one plugin, as the rest of the server uses it: requests in, responses out.
 *
 * A cell is the sandbox of one plugin: a child process with a Worker, or a Worker of the server.
 * One started process or Worker is a run (`CellRun`). A cell has at most one current run:
 * - It starts a run with the first request, and ends it after `idleMs` without a request.
 * - If a run fails, the next request starts another one, with a pause after repeated failures
 *   (`Backoff`). Callers get 503 during the pause. `endPause` ends it.
 * - `swap` starts a new run with another init. The new run takes over when it is ready; the old
 *   one finishes its requests, for at most `drainTimeoutMs`.
 * - At most `maxRequests` requests are in the plugin at the same time and `maxWaiting` wait;
 *   further ones get 503.
 * - A request has one deadline, `responseTimeoutMs` after its arrival. It waits for a permit for at
 *   most half of that time, so that the plugin has the other half. Only the start of a run, for
 *   which `startTimeoutMs` is the limit, moves the deadline.
 * - Every failure becomes a problem (RFC 9457) for the caller. The plugin's own messages go to
 *   the log.
 *
 * A cell must not know worlds or routes.
 */

import { Problem } from "../../http/problem.ts";
import { CELL_DRAIN_CHECK_MS, CELL_SPAWN_RETRY_MS, type CellLimits } from "../../cell_limits.ts";
import { MAX_DRAINING_RUNS, MAX_FILE_ATTEMPTS } from "../../limits.ts";
import { Backoff } from "./backoff.ts";
import { onClientDisconnect } from "./client_disconnect.ts";
import type { CellInit } from "../wire/cell_init.ts";
import { type PendingCall, RpcError } from "../wire/rpc_calls.ts";
import { FileChanged } from "./file_body.ts";
import {
  type CallerContext,
  CallerEndedError,
  type CellEndedError,
  CellRun,
  type CellRunHost,
  ResponseTimeoutError,
  type Subrequest,
} from "./cell_run.ts";
import { forwardedBody, forwardedHeaders } from "./forwarded_request.ts";
import type { PluginLimit } from "../../request/plugin_routes.ts";
import { PluginLimitCounts } from "./plugin_limit_counts.ts";
import { SqlRunner } from "./sql_runner.ts";
import {
  createBusyProblem,
  createNotStartedProblem,
  createStoppedProblem,
  toCellProblem,
} from "./cell_errors.ts";
import { UnreadResponses } from "./unread_responses.ts";
import { Semaphore } from "./semaphore.ts";
import type { StartCell } from "../transport/transport.ts";

/** A change of a cell's state, for the event chain and the log. */
export interface CellEvent {
  readonly type:
    | "started"
    | "restarted"
    | "swapped"
    | "idle"
    | "ended"
    | "timeout"
    | "uncaught"
    | "circuit-open";
  /** Text; it may contain text of the plugin. */
  readonly detail: string;
  /** Reason of the end, if the type is `ended`. */
  readonly kind?: CellEndedError["kind"];
}

/** Returns why the declaration of a plugin, as JSON, is not the approved one; undefined if it is. */
export type CheckDeclaration = (declaration: string) => string | undefined;

/** Dependencies of a cell. */
export interface CellOptions<A> {
  readonly init: CellInit;
  /**
   * Checks what the plugin declares as JSON whenever a run starts, also after a crash. Returns a
   * fault, with which the run ends. If absent, nothing is checked.
   */
  readonly checkDeclaration?: CheckDeclaration;
  readonly startCell: StartCell;
  readonly limits: CellLimits;
  /** Returns milliseconds of a clock that only moves forward, beginning at a Unix time. */
  readonly now: () => number;
  /**
   * Answers a subrequest of the plugin. If it throws, the plugin gets a failure without details.
   */
  answerSubrequest(call: Subrequest<A>): Promise<Response>;
  /** Whether the credential of a caller is still valid. If absent, it always is. */
  isCurrent?(authority: A): boolean;
  /** Called when the cell is closed: the plugin has no authority any more. */
  onStop?(): void;
  log(level: "log" | "warn" | "error", line: string): void;
  onEvent(event: CellEvent): void;
  /** Called with each text of the plugin that is logged, for the log of the plugin. */
  onLine?(level: "log" | "warn" | "error", line: string): void;
}

/** State and counters of a cell. */
export interface CellHealth {
  readonly state: "running" | "starting" | "stopped" | "waiting" | "circuit-open" | "closed";
  readonly transport?: "process" | "worker";
  readonly pid?: number;
  /** Resident memory in KiB; 0 if it is not known. */
  readonly residentKiB?: number;
  /** Start of the current run in Unix milliseconds. */
  readonly startedAt?: number;
  /** Number of requests sent to the plugin since the cell was created. */
  readonly served: number;
  /** Number of open requests. */
  readonly requests: number;
  /** Number of requests that wait for a permit. */
  readonly waiting: number;
  /** Number of runs that crashed or were ended for a violation, since the cell was created. */
  readonly crashes: number;
  /** Number of requests that waited too long or that found too many waiting. */
  readonly refused: number;
  /** Number of open calls of `env.caller` and `env.machine`. */
  readonly calls: number;
  /** Number of database queries that run, and that wait. */
  readonly queries: { readonly running: number; readonly waiting: number };
  /** Number of console lines that were dropped. */
  readonly droppedLines: number;
  /** How often the plugin reached each limit, since the cell was created. */
  readonly limits: Readonly<Record<PluginLimit, number>>;
  /** Text of the last such end. */
  readonly reason?: string;
}

/**
 * The cell of one plugin. `A` is the type of a request's authority, which a cell does not
 * interpret.
 */
export class Cell<A> {
  readonly #options: CellOptions<A>;
  readonly #limits: CellLimits;
  readonly #semaphore: Semaphore;
  readonly #backoff: Backoff;
  readonly #sqlRunner: SqlRunner;
  readonly #unread: UnreadResponses;
  readonly #runs = new Set<CellRun<A>>();
  /**
   * Runs that `swap` has started and that are not ready. Their failure is reported to its caller
   * only.
   */
  readonly #pending = new Set<CellRun<A>>();
  /** Replaced or stopped runs that finish their open requests. */
  readonly #draining = new Set<CellRun<A>>();
  #init: CellInit;
  #checkDeclaration: CheckDeclaration | undefined;
  #current: CellRun<A> | undefined;
  #starting: Promise<CellRun<A>> | undefined;
  #idleTimer: ReturnType<typeof setTimeout> | undefined;
  #idleSince = 0;
  #closed = false;
  #crashes = 0;
  #refused = 0;
  #requestCount = 0;
  #droppedLines = 0;
  readonly #limitCounts = new PluginLimitCounts();
  #lastReason: string | undefined;

  constructor(options: CellOptions<A>) {
    this.#options = options;
    this.#limits = options.limits;
    this.#init = options.init;
    this.#checkDeclaration = options.checkDeclaration;
    this.#semaphore = new Semaphore(options.limits.maxRequests, options.limits.maxWaiting);
    this.#backoff = new Backoff(options.limits, options.now);
    const onLimit = (limit: PluginLimit) => this.#limitCounts.count(limit);
    this.#sqlRunner = new SqlRunner(options.init, { ...options, onLimit });
    const { unreadTimeoutMs } = options.limits;
    this.#unread = new UnreadResponses(unreadTimeoutMs, options.now, () => onLimit("unread"));
  }

  /** Longest time in milliseconds that a request waits before it is passed to the plugin. */
  get maxWaitMs(): number {
    return this.#limits.responseTimeoutMs / 2;
  }

  /** The limits of each run. */
  get limits(): CellLimits {
    return this.#limits;
  }

  /** The init of the current run, or of the next one. */
  get init(): CellInit {
    return this.#init;
  }

  /**
   * Starts a run now instead of with the first request. Idempotent.
   *
   * @throws {CellEndedError} the run failed to start; the message may contain text of the plugin
   */
  async start(): Promise<void> {
    await this.#ensureRun();
  }

  /**
   * Sends a request to the plugin.
   *
   * @param request the request as the server received it; its body is consumed
   * @param caller the caller, and the authority that subrequests of the plugin get
   * @param attempts attempts that are left if the file of a response changes while it is opened
   * @returns the response; its body fails if the run ends
   * @throws {Problem} 501: WebSocket upgrade; 508: too many nested plugins; 503: too many requests,
   * or not running; 502: the plugin failed; 504: the plugin did not answer in time
   */
  async request(
    request: Request,
    caller: CallerContext<A>,
    attempts = MAX_FILE_ATTEMPTS,
  ): Promise<Response> {
    this.#assertAcceptable(request, caller);
    const headers = forwardedHeaders(request.headers);
    // The call exists only after the body.
    const started: { call?: PendingCall } = {};
    const body = await forwardedBody(
      request,
      caller.connection,
      (problem) => started.call?.cancel(problem),
    );
    const { now } = this.#options;
    // A client that sends a short body slowly does not shorten the plugin's time.
    let due = now() - (caller.waitedMs ?? 0) + this.#limits.responseTimeoutMs;
    if (!this.#semaphore.tryAcquire()) await this.#waitForPermit(request, caller, due);
    let isReleased = false;
    const release = (): void => {
      if (isReleased) return;
      isReleased = true;
      this.#semaphore.release();
    };
    let run: CellRun<A>;
    try {
      const current = this.#current;
      if (current && !this.#closed) {
        run = current;
      } else {
        const before = now();
        run = await this.#ensureRun();
        due += now() - before;
      }
      if (this.#options.isCurrent?.(caller.authority) === false) {
        throw new CallerEndedError("the credential of the caller is no longer valid");
      }
    } catch (error) {
      release();
      throw this.#toProblem(error);
    }
    const { method, url } = request;
    this.#requestCount++;
    const call = run.send({ method, url, headers, body }, caller, release, due);
    started.call = call;
    const onDisconnect = (): void =>
      call.cancel(new DOMException("The client disconnected", "AbortError"));
    const watch = onClientDisconnect(request, caller, onDisconnect);
    let response: Response;
    try {
      response = await call.response;
    } catch (error) {
      // Another file took the name between the plugin's response and the opening.
      if (error instanceof FileChanged && attempts > 1 && (method === "GET" || method === "HEAD")) {
        return await this.request(request, caller, attempts - 1);
      }
      throw this.#toProblem(error);
    } finally {
      watch.markResponded(call.isOver);
    }
    return response;
  }

  /**
   * Replaces the current run by one with another init. The new run gets requests when it is ready;
   * the old one finishes its open requests, for at most `drainTimeoutMs`.
   *
   * @param checkDeclaration replaces that of the options, if given
   * @throws {CellEndedError} the new run failed to start; the old run continues
   */
  async swap(init: CellInit, checkDeclaration = this.#checkDeclaration): Promise<void> {
    if (this.#closed) throw createStoppedProblem();
    const run = this.#createRun(init, checkDeclaration);
    this.#pending.add(run);
    try {
      await run.ready;
    } finally {
      this.#pending.delete(run);
    }
    const old = this.#current;
    this.#init = init;
    this.#checkDeclaration = checkDeclaration;
    this.#sqlRunner.reconfigure(init);
    this.#current = run;
    this.#backoff.reset();
    this.#emit("swapped", old ? "it replaced a running cell" : "no cell was running");
    this.#startIdleTimer();
    if (old) void this.#drain(old);
  }

  /** Ends a pause after failures, so that the next request starts a run. */
  endPause(): void {
    if (this.#current === undefined) this.#backoff.reset();
  }

  /** Returns the current state and counters. */
  health(): CellHealth {
    const run = this.#current;
    const waitMs = this.#backoff.waitMs();
    const state = this.#closed
      ? "closed"
      : run
      ? "running"
      : this.#starting
      ? "starting"
      : waitMs === 0
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
      served: this.#requestCount,
      requests: this.#semaphore.inUse,
      waiting: this.#semaphore.waiting,
      crashes: this.#crashes,
      refused: this.#refused,
      calls: [...this.#runs].reduce((sum, { openCalls }) => sum + openCalls, 0),
      queries: this.#sqlRunner.counts,
      droppedLines: this.#droppedLines,
      limits: this.#limitCounts.counts,
      ...(this.#lastReason !== undefined && { reason: this.#lastReason }),
    };
  }

  /**
   * Closes the cell; later requests get 503, and the plugin's subrequests are refused at once.
   * Resolves when all its processes have ended.
   *
   * @param options `drain`: wait for open requests, for at most `drainTimeoutMs`
   */
  async stop({ drain }: { readonly drain: boolean }): Promise<void> {
    this.#closed = true;
    this.#options.onStop?.();
    this.#clearIdleTimer();
    this.#semaphore.close(createStoppedProblem());
    this.#current = undefined;
    for (const run of this.#runs) run.revoke();
    await Promise.all([...this.#runs].map((run) => drain ? this.#drain(run) : run.kill()));
    await this.#sqlRunner.close();
  }

  #assertAcceptable(request: Request, caller: CallerContext<A>): void {
    if (this.#closed) throw createStoppedProblem();
    if (request.headers.get("upgrade")?.toLowerCase() === "websocket") {
      throw new Problem(
        "not-implemented",
        "Cannot upgrade to a WebSocket: plugins do not support it; use a stream of text/event-stream",
      );
    }
    if (caller.depth > this.#limits.maxDepth) {
      this.#limitCounts.count("depth");
      throw new Problem(
        "loop-detected",
        `Cannot call the plugin: ${this.#limits.maxDepth} plugins wait for each other; no more are allowed`,
      );
    }
  }

  /** @param due deadline of the request */
  async #waitForPermit(request: Request, caller: CallerContext<A>, due: number): Promise<void> {
    const abort = new AbortController();
    const reason = new DOMException("The client disconnected", "AbortError");
    const watch = onClientDisconnect(request, caller, () => abort.abort(reason));
    const waitMs = Math.max(
      0,
      Math.ceil(due - this.maxWaitMs - this.#options.now()),
    );
    const timer = setTimeout(() => {
      const waitedFor = `${this.#limits.maxRequests} requests are open`;
      this.#refused++;
      abort.abort(createBusyProblem(this.#init.name, waitedFor, waitMs));
    }, waitMs);
    try {
      await this.#semaphore.wait(abort.signal);
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      this.#refused++;
      throw new Problem(
        "unavailable",
        `Cannot call the plugin ${this.#init.name}: ${this.#limits.maxRequests} requests are open and ` +
          `${this.#limits.maxWaiting} are waiting; no more are allowed, send the request again later`,
        { "retry-after": "1" },
      );
    } finally {
      clearTimeout(timer);
      watch.markResponded(true);
    }
  }

  async #ensureRun(): Promise<CellRun<A>> {
    if (this.#closed) throw createStoppedProblem();
    if (this.#current) return this.#current;
    const waitMs = this.#backoff.waitMs();
    if (waitMs > 0 && this.#backoff.isRefused) {
      throw createNotStartedProblem(this.#init.name, waitMs);
    }
    if (waitMs > 0) {
      throw new Problem(
        "unavailable",
        `Cannot call the plugin ${this.#init.name}: it failed ${this.#backoff.failures} times in a ` +
          `row; it can be started again in ${Math.ceil(waitMs / 1000)} s`,
        { "retry-after": String(Math.ceil(waitMs / 1000)) },
      );
    }
    this.#starting ??= this.#startRun().finally(() => this.#starting = undefined);
    return await this.#starting;
  }

  async #startRun(): Promise<CellRun<A>> {
    const isRestart = this.#backoff.failures > 0;
    const run = this.#createRun(this.#init, this.#checkDeclaration);
    await run.ready;
    // A swap has finished first; its run has the newer init.
    if (this.#current) {
      void run.kill();
      return this.#current;
    }
    this.#current = run;
    this.#emit(isRestart ? "restarted" : "started", `as a ${run.kind}`);
    this.#startIdleTimer();
    return run;
  }

  #createRun(init: CellInit, checkDeclaration: CheckDeclaration | undefined): CellRun<A> {
    const host: CellRunHost<A> = {
      startCell: this.#options.startCell,
      limits: this.#limits,
      now: this.#options.now,
      answerSubrequest: (call) => this.#options.answerSubrequest(call),
      ...(this.#options.isCurrent === undefined ? {} : {
        isCurrent: (authority) => this.#options.isCurrent?.(authority) ?? true,
      }),
      onUncaught: (message) => this.#emit("uncaught", message),
      onResponseBody: (body, { connection }, call) =>
        this.#unread.watch({ body, call, ...(connection && { connection }) }),
      runSqlRequest: (request) => this.#sqlRunner.run(request),
      log: (level, line) => this.#options.log(level, line),
      onLimit: (limit) => this.#limitCounts.count(limit),
      onLine: (level, line) => this.#options.onLine?.(level, line),
      onDroppedLines: (count) => void (this.#droppedLines += count),
      onEnd: (run, end) => this.#onRunEnd(run, end),
      onIdle: (run) => this.#onRunIdle(run),
    };
    const run = new CellRun<A>(host, init, checkDeclaration);
    this.#runs.add(run);
    return run;
  }

  #onRunEnd(run: CellRun<A>, end: CellEndedError): void {
    this.#runs.delete(run);
    if (this.#current === run) this.#current = undefined;
    const draining = this.#draining.delete(run);
    this.#limitCounts.countEnd(end.kind);
    if (end.kind === "stopped" || this.#pending.has(run)) return;
    if (end.kind !== "spawn") this.#crashes++;
    this.#lastReason = end.message;
    this.#emit("ended", end.message, end.kind);
    if (end.kind === "spawn") this.#backoff.recordRefusal(CELL_SPAWN_RETRY_MS);
    else if (!draining && this.#backoff.recordFailure(run.startedAt)) {
      this.#emit("circuit-open", `${this.#backoff.failures} failures in a row`);
    }
  }

  #onRunIdle(run: CellRun<A>): void {
    if (run === this.#current) this.#startIdleTimer();
  }

  async #drain(run: CellRun<A>): Promise<void> {
    this.#draining.add(run);
    // Frequent changes of the configuration must not collect processes.
    const [oldest] = this.#draining;
    if (this.#draining.size > MAX_DRAINING_RUNS && oldest) void oldest.kill();
    const until = this.#options.now() + this.#limits.drainTimeoutMs;
    // Work of `waitUntil` has no authority any more once the cell is closed.
    const isBusy = (): boolean => this.#closed ? run.hasOpenRequests : !run.isIdle;
    while (isBusy() && this.#runs.has(run) && this.#options.now() < until) {
      await new Promise((resolve) => setTimeout(resolve, CELL_DRAIN_CHECK_MS));
    }
    await run.kill();
  }

  /** Uses one timer that checks repeatedly. One timer per request would cost more than the rest. */
  #startIdleTimer(): void {
    this.#idleSince = this.#options.now();
    if (this.#idleTimer === undefined) this.#setIdleTimer(this.#limits.idleMs);
  }

  #setIdleTimer(ms: number): void {
    if (this.#limits.idleMs === 0 || this.#closed) return;
    this.#idleTimer = setTimeout(() => {
      this.#idleTimer = undefined;
      const run = this.#current;
      // An open request sets the timer again when it ends.
      if (!run?.isIdle || this.#semaphore.inUse > 0) return;
      const left = this.#idleSince + this.#limits.idleMs - this.#options.now();
      if (left > 0) return this.#setIdleTimer(left);
      this.#current = undefined;
      this.#emit("idle", `no request for ${this.#limits.idleMs} ms`);
      void run.kill();
    }, ms);
    Deno.unrefTimer(Number(this.#idleTimer));
  }

  #clearIdleTimer(): void {
    clearTimeout(this.#idleTimer);
    this.#idleTimer = undefined;
  }

  #emit(type: CellEvent["type"], detail: string, kind?: CellEndedError["kind"]): void {
    this.#options.onEvent({ type, detail, ...(kind && { kind }) });
  }

  /** Logs the details of an error and returns the problem for the caller. */
  #toProblem(error: unknown): unknown {
    if (error instanceof RpcError) {
      this.#options.log("error", error.message);
      this.#options.onLine?.("error", error.message);
    }
    if (error instanceof ResponseTimeoutError) {
      this.#limitCounts.count("answer");
      this.#emit("timeout", error.message);
    }
    return toCellProblem(error, this.#init.name);
  }
}
