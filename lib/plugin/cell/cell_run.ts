/**
 * One run of a cell, from the start of its process or Worker to its end. It sends requests, answers
 * subrequests with the authority of the request they belong to, and enforces the limits of time,
 * memory and output. If the plugin exceeds a limit or violates the protocol, the run ends the
 * process. A run that has ended must not be used again; `Cell` starts another one.
 */

import { Problem, toProblemResponse } from "../../http/problem.ts";
import type { CellLimits } from "../../cell_limits.ts";
import type { PluginLimit } from "../../request/plugin_routes.ts";
import type { CallerConnection } from "./client_disconnect.ts";
import type { CellInit } from "../wire/cell_init.ts";
import type { InboundRequest, OutboundRequest, PendingCall, ReadBody } from "../wire/rpc_calls.ts";
import { IdTable } from "../wire/id_table.ts";
import { createFileOpener } from "./file_body.ts";
import { appendHeaders } from "../wire/message_heads.ts";
import { RateLimit } from "./rate_limit.ts";
import { WITHHELD_HEADERS } from "./forwarded_response.ts";
import { RpcEndpoint } from "../wire/rpc_endpoint.ts";
import {
  DROPPED_LINES_LEVEL,
  type Frame,
  FrameReader,
  FrameWriter,
  ProtocolError,
  readText,
  SIDE,
  VERB,
} from "../wire/frames.ts";
import { readResidentKiB } from "./process_memory.ts";
import { answerSqlRequest, type SqlRequestHost } from "./sql_request.ts";
import type { StartCell, Transport } from "../transport/transport.ts";

/** Why a run ended. */
export type CellEndKind =
  | "stopped" // the server stopped it
  | "unfit" // the plugin could not be loaded
  | "start" // it was not ready in time
  | "spawn" // its process or Worker could not be created
  | "silence" // it did not answer a heartbeat, as in a busy loop, or several requests in a row
  | "memory" // it exceeded its memory limit
  | "protocol" // it violated the wire protocol
  | "crash"; // its process or Worker ended unexpectedly

/** The run has ended. The message is for the log and may contain text of the plugin. */
export class CellEndedError extends Error {
  override readonly name = "CellEndedError";
  constructor(readonly kind: CellEndKind, message: string) {
    super(message);
  }
}

/** The credential of the caller is no longer valid. */
export class CallerEndedError extends Error {
  override readonly name = "CallerEndedError";
}

/** The plugin sent no response head in time. */
export class ResponseTimeoutError extends Error {
  override readonly name = "ResponseTimeoutError";
}

/** The caller of a request. `A` is the type of its authority, which a run does not interpret. */
export interface CallerContext<A> extends CallerConnection {
  /** Passed to `answerSubrequest` for `env.caller`. It is never sent to the cell. */
  readonly authority: A;
  readonly tier: string;
  /** Name of the caller. */
  readonly by: string;
  /**
   * Entity tag of the world that the request concerns, as this caller gets it; undefined if
   * unknown.
   */
  readonly tag?: string | undefined;
  /** Number of plugins that wait for this request; 0 for a request of a client. */
  readonly depth: number;
  /** Milliseconds since the request arrived, if it already waited for something. */
  readonly waitedMs?: number;
}

/**
 * A request of the plugin to the server: with the caller's authority (`env.caller`), or with the
 * grants of the plugin (`env.machine`).
 */
export type Subrequest<A> =
  & { readonly request: Request; readonly depth: number }
  & ({ readonly kind: "caller"; readonly authority: A } | { readonly kind: "machine" });

/** Dependencies of a run. */
export interface CellRunHost<A> extends SqlRequestHost {
  readonly startCell: StartCell;
  readonly limits: CellLimits;
  readonly now: () => number;
  /** Answers a subrequest. If it rejects, the plugin gets "the server failed". */
  answerSubrequest(call: Subrequest<A>): Promise<Response>;
  /**
   * Whether the credential of a caller is still valid; asked several times per second for every open
   * request. If absent, it always is.
   */
  isCurrent?(authority: A): boolean;
  /** Called if code of the plugin failed and nothing caught the error. */
  onUncaught?(message: string): void;
  /** Called for a response whose body is sent while its reader takes it. */
  onResponseBody?(body: ReadBody, caller: CallerContext<A>, call: PendingCall): void;
  /** Called if the plugin reached a limit that does not end the run. */
  onLimit?(limit: PluginLimit): void;
  /** Called with each console line, which is also logged. */
  onLine?(level: "log" | "warn" | "error", line: string): void;
  /** Called with a number of console lines that the cell has dropped. */
  onDroppedLines?(count: number): void;
  /** Called once, when the run has ended. */
  onEnd(run: CellRun<A>, end: CellEndedError): void;
  /** Called when the last open request and the last `waitUntil` work are over. */
  onIdle(run: CellRun<A>): void;
}

interface OpenRequest<A> {
  readonly id: number;
  readonly caller: CallerContext<A>;
  readonly call: PendingCall;
  /** Time by which the response head must arrive, in Unix milliseconds; undefined once it has. */
  due: number | undefined;
  /** Ids of open subrequests that end with this request; created with the first. */
  calls: Set<number> | undefined;
}

const LEVELS = ["log", "warn", "error", "warn"] as const;
/** Longest text of a failure from the cell, in characters. */
const MAX_TEXT_CHARS = 4096;
/** Console lines per second that a cell may send beyond twice its limit. */
const LOG_SLACK_LINES = 8;

/** One run of a cell. */
export class CellRun<A> {
  /** Resolves when the plugin is loaded; rejects with a {@link CellEndedError}. */
  readonly ready: Promise<void>;
  /** Start in Unix milliseconds. */
  readonly startedAt: number;
  readonly #host: CellRunHost<A>;
  readonly #limits: CellLimits;
  readonly #endpoint: RpcEndpoint;
  readonly #writer = new FrameWriter();
  readonly #reader = new FrameReader();
  readonly #transport: Transport;
  readonly #open = new IdTable<OpenRequest<A>>();
  /**
   * Requests with open `waitUntil` work, with their depth and the time at which it is abandoned.
   */
  readonly #waitUntil = new Map<number, { readonly depth: number; readonly until: number }>();
  readonly #timer: ReturnType<typeof setInterval>;
  #readyPromise: { resolve: () => void; reject: (end: CellEndedError) => void } | undefined;
  #isScheduled = false;
  #end: CellEndedError | undefined;
  #pings = 0;
  #pingSentAt: number | undefined;
  #nextPing = 0;
  /** Whether the last check found that the run was not ready in time, or did not answer a heartbeat. */
  #isLate = false;
  #timeouts = 0;
  #reportedKiB = 0;
  #isRevoked = false;
  readonly #checkDeclaration: ((declaration: string) => string | undefined) | undefined;
  readonly #logLines: RateLimit;
  readonly #ignoredFrames: RateLimit;

  /**
   * @param checkDeclaration checks what the plugin declares as JSON when it is loaded; returns a
   * fault, with which the run ends
   */
  constructor(
    host: CellRunHost<A>,
    init: CellInit,
    checkDeclaration?: (declaration: string) => string | undefined,
  ) {
    this.#host = host;
    this.#checkDeclaration = checkDeclaration;
    this.#limits = host.limits;
    this.startedAt = host.now();
    const lines = 2 * host.limits.maxLogLinesPerSecond + LOG_SLACK_LINES;
    this.#logLines = new RateLimit(lines, "console lines", host.now);
    this.#ignoredFrames = new RateLimit(
      host.limits.maxIgnoredFramesPerSecond,
      "frames without effect",
      host.now,
    );
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.ready = promise;
    // A caller that awaits `ready` gets the error; without one it must not end the process.
    promise.catch(() => {});
    this.#readyPromise = { resolve, reject };
    this.#endpoint = new RpcEndpoint({
      side: SIDE.HOST,
      writer: this.#writer,
      scheduleFlush: () => this.#scheduleFlush(),
      serve: (inbound) => this.#answerSubrequest(inbound),
      maxInboundCalls: host.limits.maxCalls,
      onIgnoredFrame: () => this.#ignoredFrames.count(),
      openFile: createFileOpener(init.folders),
      ignoredHeaders: WITHHELD_HEADERS,
    });
    try {
      this.#transport = host.startCell(init, host.limits, {
        onBytes: (chunk) => this.#receive(chunk),
        onEnd: (reason, kind) => this.#finish(new CellEndedError(kind ?? "crash", reason)),
      });
    } catch (error) {
      this.#transport = { kind: "worker", send: () => {}, kill: () => Promise.resolve() };
      const message = error instanceof Error ? error.message : "no reason was given";
      queueMicrotask(() =>
        this.#finish(new CellEndedError("spawn", `it cannot be started: ${message}`))
      );
    }
    this.#timer = setInterval(
      () => this.#check(),
      Math.max(10, Math.min(host.limits.heartbeatMs / 4, 250)),
    );
    Deno.unrefTimer(Number(this.#timer));
  }

  /** Number of requests that are not complete. */
  get openRequests(): number {
    return this.#open.size;
  }

  /** Number of open calls of `env.caller` and `env.machine`, and of queries. */
  get openCalls(): number {
    return this.#endpoint.inboundCalls;
  }

  /** Whether there is no open request and no `waitUntil` work. */
  get isIdle(): boolean {
    return this.#open.size === 0 && this.#waitUntil.size === 0;
  }

  /** Whether there is an open request. Work of `waitUntil` does not count. */
  get hasOpenRequests(): boolean {
    return this.#open.size > 0;
  }

  /**
   * Ends the plugin's authority: open subrequests are aborted and later ones are refused. Responses
   * in progress continue.
   */
  revoke(): void {
    this.#isRevoked = true;
    this.#waitUntil.clear();
    this.#endpoint.abortAllInbound(createRevokedError());
  }

  /** Kind of the transport. */
  get kind(): "process" | "worker" {
    return this.#transport.kind;
  }

  /** Process id; undefined if the run is a Worker. */
  get pid(): number | undefined {
    return this.#transport.pid;
  }

  /** Resident memory of the process in KiB; 0 if it is not known. */
  get residentKiB(): number {
    return (this.pid !== undefined && readResidentKiB(this.pid)) || this.#reportedKiB;
  }

  /**
   * Sends a request. The response rejects with {@link CellEndedError}, {@link ResponseTimeoutError}
   * or `RpcError`. Its body fails if the run ends.
   *
   * @param caller the caller
   * @param onEnd called once, when both bodies are over or the call has failed
   * @param due time by which the response head must arrive; default: `responseTimeoutMs` from now
   */
  send(
    outgoing: Omit<
      OutboundRequest,
      "note" | "onEnd" | "onProgress" | "onResponse" | "onResponseBody"
    >,
    caller: CallerContext<A>,
    onEnd: () => void,
    due = this.#host.now() + this.#limits.responseTimeoutMs,
  ): PendingCall {
    const { tier, by, tag } = caller;
    const call = this.#endpoint.call({
      ...outgoing,
      note: tag === undefined ? [tier, by] : [tier, by, tag],
      onEnd: () => {
        this.#close(call?.id);
        onEnd();
      },
      onProgress: () => {
        if (open.due !== undefined) {
          open.due = this.#host.now() + this.#limits.responseTimeoutMs;
        }
      },
      onResponse: () => {
        open.due = undefined;
        this.#timeouts = 0;
      },
      onResponseBody: (body) => this.#host.onResponseBody?.(body, caller, call),
    });
    const open: OpenRequest<A> = { id: call.id, caller, call, due, calls: undefined };
    if (!this.#end) this.#open.add(open);
    return call;
  }

  /**
   * Ends the run at once; all open requests fail with `end`. Resolves when the process has ended.
   */
  async kill(end: CellEndedError = new CellEndedError("stopped", "it was stopped")): Promise<void> {
    this.#finish(end);
    await this.#transport.kill();
  }

  #close(id: number): void {
    const open = this.#open.get(id);
    if (!open) return;
    this.#open.delete(id);
    for (const id of open.calls ?? []) {
      this.#endpoint.abortInbound(id, new Error("The request has ended; env.caller ends with it"));
    }
    if (this.isIdle) this.#host.onIdle(this);
  }

  #finish(end: CellEndedError): void {
    if (this.#end) return;
    this.#end = end;
    clearInterval(this.#timer);
    this.#waitUntil.clear();
    this.#readyPromise?.reject(end);
    this.#readyPromise = undefined;
    this.#endpoint.fail(end);
    this.#host.onEnd(this, end);
    // Whatever the reason, the process must not continue.
    this.#transport.kill().catch((error) =>
      this.#host.log("error", `Cannot end the cell: ${error}`)
    );
  }

  #scheduleFlush(): void {
    if (this.#isScheduled || this.#end) return;
    this.#isScheduled = true;
    setImmediate(() => {
      this.#isScheduled = false;
      if (this.#end) return;
      this.#endpoint.flush();
      if (this.#writer.length > 0) this.#transport.send(this.#writer.take());
    });
  }

  #receive(chunk: Uint8Array<ArrayBuffer>): void {
    if (this.#end) return;
    try {
      this.#reader.push(chunk, (frame) => this.#receiveFrame(frame));
    } catch (error) {
      const message = error instanceof ProtocolError ? error.message : "it sent an invalid frame";
      this.#finish(new CellEndedError("protocol", `it violated the wire protocol: ${message}`));
    }
  }

  #receiveFrame(frame: Frame): void {
    if (frame.verb <= VERB.CANCEL) return this.#endpoint.receive(frame);
    switch (frame.verb) {
      case VERB.READY: {
        if (this.#readyPromise === undefined) return this.#ignoredFrames.count();
        const fault = this.#checkDeclaration?.(new TextDecoder().decode(frame.payload));
        if (fault !== undefined) return this.#finish(new CellEndedError("unfit", fault));
        this.#readyPromise.resolve();
        this.#readyPromise = undefined;
        this.#nextPing = this.#host.now() + this.#limits.heartbeatMs;
        return;
      }
      case VERB.UNFIT:
        return this.#finish(new CellEndedError("unfit", readText(frame, MAX_TEXT_CHARS)));
      case VERB.PONG:
        if (this.#pingSentAt === undefined || frame.id !== this.#pings) {
          return this.#ignoredFrames.count();
        }
        this.#pingSentAt = undefined;
        return;
      case VERB.LOG:
        return this.#log(frame);
      case VERB.HOLD: {
        const open = this.#open.get(frame.id);
        const until = this.#host.now() + this.#limits.waitUntilTimeoutMs;
        if (!open || this.#waitUntil.has(frame.id)) return this.#ignoredFrames.count();
        this.#waitUntil.set(frame.id, { depth: open.caller.depth, until });
        return;
      }
      case VERB.DONE:
        if (!this.#waitUntil.delete(frame.id)) return this.#ignoredFrames.count();
        if (this.isIdle) this.#host.onIdle(this);
        return;
      case VERB.UNCAUGHT:
        this.#ignoredFrames.count();
        return this.#host.onUncaught?.(readText(frame, MAX_TEXT_CHARS));
      case VERB.RESIDENT:
        this.#reportedKiB = frame.id;
        return this.#ignoredFrames.count();
      default:
        throw new ProtocolError(`Cannot accept a frame: verb ${frame.verb} is not allowed here`);
    }
  }

  #log(frame: Frame): void {
    this.#logLines.count();
    const line = readText(frame, 2 * MAX_TEXT_CHARS);
    const level = LEVELS[frame.id] ?? "log";
    this.#host.log(level, line);
    this.#host.onLine?.(level, line);
    if (frame.id !== DROPPED_LINES_LEVEL) return;
    const [, count] = /^dropped (\d{1,9}) /.exec(line) ?? [];
    this.#host.onDroppedLines?.(Number(count ?? 0));
  }

  /** Checks the time limits and the memory; called several times per second. */
  #check(): void {
    const now = this.#host.now();
    const { heartbeatMs, residentMiB } = this.#limits;
    // The first check, because a plugin that fills the memory is often silent as well.
    if (this.#exceedsMemory(residentMiB)) return;
    const late = this.#findLate(now);
    const wasLate = this.#isLate;
    this.#isLate = late !== undefined;
    if (late !== undefined) {
      // If the server itself was stopped, what the run has sent in time is read after this check.
      if (wasLate) this.#finish(late);
      return;
    }
    if (this.#readyPromise) return;
    if (this.#pingSentAt === undefined && now >= this.#nextPing) {
      this.#pings = this.#pings + 1 >>> 0;
      this.#pingSentAt = now;
      this.#nextPing = now + heartbeatMs;
      this.#writer.writeBytes(VERB.PING, SIDE.HOST, this.#pings);
      this.#scheduleFlush();
    }
    for (const open of this.#open.values()) {
      if (this.#host.isCurrent?.(open.caller.authority) === false) {
        open.call.cancel(new CallerEndedError("the credential of the caller is no longer valid"));
        continue;
      }
      if (open.due === undefined || now <= open.due) continue;
      this.#timeouts++;
      open.call.cancel(
        new ResponseTimeoutError(`no response after ${this.#limits.responseTimeoutMs} ms`),
      );
    }
    for (const [id, { until }] of this.#waitUntil) {
      if (now <= until || !this.#waitUntil.delete(id)) continue;
      this.#host.onLimit?.("work");
      if (this.isIdle) this.#host.onIdle(this);
    }
    if (this.#timeouts >= this.#limits.maxTimeoutsInARow) {
      return this.#finish(
        new CellEndedError("silence", `${this.#timeouts} requests in a row got no response`),
      );
    }
  }

  /** Returns how the run ends if it sends neither that it is ready nor its heartbeat; undefined in time. */
  #findLate(now: number): CellEndedError | undefined {
    const { startTimeoutMs, heartbeatTimeoutMs } = this.#limits;
    if (this.#readyPromise) {
      if (now - this.startedAt <= startTimeoutMs) return undefined;
      return new CellEndedError("start", `it was not ready after ${startTimeoutMs} ms`);
    }
    if (this.#pingSentAt === undefined || now - this.#pingSentAt <= heartbeatTimeoutMs) {
      return undefined;
    }
    return new CellEndedError("silence", `no heartbeat for ${heartbeatTimeoutMs} ms`);
  }

  /** Ends the process and returns true if it uses more memory than it may. */
  #exceedsMemory(residentMiB: number): boolean {
    if (this.pid === undefined) return false;
    const mib = this.residentKiB / 1024;
    if (mib <= residentMiB) return false;
    this.#finish(
      new CellEndedError(
        "memory",
        `it used ${Math.round(mib)} MiB of resident memory; at most ${residentMiB} MiB are allowed`,
      ),
    );
    return true;
  }

  async #answerSubrequest(inbound: InboundRequest): Promise<Response> {
    const { head, body, signal } = inbound;
    const [kind, id] = head.note;
    const open = typeof id === "number" ? this.#open.get(id) : undefined;
    if (this.#isRevoked) throw createRevokedError();
    // A query ends with its request, because then no code reads its result.
    if (kind === "sql" && open) this.#bind(open, inbound.id);
    if (kind === "sql") return await answerSqlRequest(inbound, this.#host);
    if (kind !== "caller" && kind !== "machine") {
      throw new Error("Cannot run the subrequest: its kind is unknown");
    }
    if (kind === "caller" && !open) {
      throw new Error("Cannot run the subrequest: the request has ended; env.caller ends with it");
    }
    const depth = 1 + this.#depthOf(typeof id === "number" ? id : 0, open);
    if (depth > this.#limits.maxDepth) {
      this.#host.onLimit?.("depth");
      const detail =
        `Cannot run the subrequest: ${this.#limits.maxDepth} plugins wait for each other; no more are allowed`;
      return toProblemResponse(new Problem("loop-detected", detail), null);
    }
    if (!head.url.startsWith("/")) {
      throw new Error("Cannot run the subrequest: its path does not start with a slash");
    }
    const init = { method: head.method, body, signal };
    const request = appendHeaders(new Request(`http://machine${head.url}`, init), head.headers);
    if (open && kind === "caller") this.#bind(open, inbound.id);
    try {
      return kind === "caller" && open
        ? await this.#host.answerSubrequest({
          kind,
          authority: open.caller.authority,
          request,
          depth,
        })
        : await this.#host.answerSubrequest({ kind: "machine", request, depth });
    } catch (error) {
      // A cancelled subrequest rejects in any case.
      if (!signal.aborted) this.#host.log("error", `a subrequest failed: ${error}`);
      throw new Error("Cannot run the subrequest: the server failed");
    }
  }

  /** Makes a subrequest end with its request. A long request must not collect the ids of ended ones. */
  #bind(open: OpenRequest<A>, id: number): void {
    const calls = open.calls ??= new Set();
    if (calls.size >= 2 * this.#limits.maxCalls) {
      for (const known of calls) if (!this.#endpoint.hasInbound(known)) calls.delete(known);
    }
    calls.add(id);
  }

  /** Returns the depth of a request. For an unknown id it is that of the deepest open request. */
  #depthOf(id: number, open: OpenRequest<A> | undefined): number {
    const depth = open?.caller.depth ?? this.#waitUntil.get(id)?.depth;
    if (depth !== undefined) return depth;
    let maxDepth = 0;
    for (const { caller } of this.#open.values()) maxDepth = Math.max(maxDepth, caller.depth);
    return maxDepth;
  }
}

function createRevokedError(): Error {
  return new Error("Cannot run the subrequest: the plugin was disabled, deleted or replaced");
}
